using Guru.Application.Conversations;
using YamlDotNet.Serialization;
using YamlDotNet.Serialization.NamingConventions;

namespace Guru.Infrastructure.Twilio;

/// <summary>The fixed texts of the chat, from the file that is shipped beside the program.</summary>
public sealed class FixedTexts : IFixedTexts
{
    private const string DefaultLanguage = "en";

    private readonly Dictionary<string, string> _replyFailed;

    private FixedTexts(Dictionary<string, string> replyFailed) => _replyFailed = replyFailed;

    public static FixedTexts Load()
    {
        var yaml = File.ReadAllText(Path.Combine(AppContext.BaseDirectory, "texts.yaml"));
        var texts = new DeserializerBuilder().WithNamingConvention(CamelCaseNamingConvention.Instance).Build()
            .Deserialize<Dictionary<string, Dictionary<string, string>>>(yaml);
        return new FixedTexts(texts["replyFailed"]);
    }

    public string ReplyFailed(string? language) => _replyFailed.GetValueOrDefault(language ?? DefaultLanguage) ?? _replyFailed[DefaultLanguage];
}
