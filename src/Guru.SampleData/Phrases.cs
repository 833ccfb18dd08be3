using System.Text;
using YamlDotNet.Serialization;
using YamlDotNet.Serialization.NamingConventions;

namespace Guru.SampleData;

/// <summary>What is said in one language.</summary>
internal sealed class Phrases
{
    /// <summary>ISO 639-1.</summary>
    public string Language { get; set; } = "";

    /// <summary>In percent of the callers.</summary>
    public int Share { get; set; }

    public string Greeting { get; set; } = "";

    public string Goodbye { get; set; } = "";

    public string Farewell { get; set; } = "";

    /// <summary>What a question may end with: {0} is a place, {1} a number.</summary>
    public List<string> Details { get; set; } = [];

    /// <summary>Questions and answers, by agent.</summary>
    public Dictionary<string, List<string[]>> Topics { get; set; } = [];

    public static IReadOnlyList<Phrases> Shipped { get; } = Read();

    private static List<Phrases> Read()
    {
        using var reader = new StreamReader(typeof(Phrases).Assembly.GetManifestResourceStream("phrases.yaml")!, Encoding.UTF8);
        return new DeserializerBuilder().WithNamingConvention(CamelCaseNamingConvention.Instance).Build().Deserialize<List<Phrases>>(reader);
    }
}
