using Guru.Application.Conversations;
using YamlDotNet.Serialization;
using YamlDotNet.Serialization.NamingConventions;

namespace Guru.Infrastructure.Twilio;

/// <summary>The fixed texts of the chat, from the file that is shipped beside the program.</summary>
public sealed class FixedTexts : IFixedTexts
{
    private const string DefaultLanguage = "en";

    private readonly Dictionary<FixedText, Dictionary<string, string>> _texts;

    private FixedTexts(Dictionary<FixedText, Dictionary<string, string>> texts) => _texts = texts;

    public static FixedTexts Load()
    {
        var yaml = File.ReadAllText(Path.Combine(AppContext.BaseDirectory, "texts.yaml"));
        var texts = new DeserializerBuilder().WithNamingConvention(CamelCaseNamingConvention.Instance).Build()
            .Deserialize<Dictionary<string, Dictionary<string, string>>>(yaml);
        return new FixedTexts(texts.ToDictionary(text => Enum.Parse<FixedText>(text.Key, ignoreCase: true), text => text.Value));
    }

    /// <summary>The languages there are texts in, as ISO 639-1.</summary>
    public IReadOnlyCollection<string> Languages => _texts[FixedText.PermissionRequest].Keys;

    public string Of(FixedText text, string? language) => _texts[text].GetValueOrDefault(language ?? DefaultLanguage) ?? _texts[text][DefaultLanguage];
}
