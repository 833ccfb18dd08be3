using System.Globalization;
using YamlDotNet.Core;
using YamlDotNet.RepresentationModel;

namespace Guru.Sandbox.Scenarios;

/// <summary>Reads a YAML file and notes every mistake with its line, so that all can be mended at once.</summary>
sealed class YamlReader(string file, List<string> mistakes)
{
    public YamlMap? Read(string yaml)
    {
        try
        {
            var stream = new YamlStream();
            stream.Load(new StringReader(yaml));
            if (stream.Documents is [{ RootNode: YamlMappingNode root }])
            {
                return new YamlMap(this, root, "");
            }

            mistakes.Add($"{file}: a scenario is one mapping.");
        }
        catch (YamlException exception)
        {
            mistakes.Add($"{file}:{exception.Start.Line}: {exception.Message}");
        }

        return null;
    }

    public void Mistake(YamlNode node, string text) => mistakes.Add($"{file}:{node.Start.Line}: {text}");
}

/// <summary>A mapping, whose keys are asked for one by one; <see cref="Done"/> notes those that nobody asked for.</summary>
sealed class YamlMap(YamlReader reader, YamlMappingNode node, string path)
{
    readonly HashSet<string> _asked = [];

    public IEnumerable<string> Keys => node.Children.Keys.OfType<YamlScalarNode>().Select(key => key.Value ?? "");

    public bool Has(string key) => Get(key) is not null;

    public string Required(string key)
    {
        if (Text(key) is { } text)
        {
            return text;
        }

        Mistake($"'{path}{key}' is missing.");
        return "";
    }

    public string? Text(string key) => Get(key) switch
    {
        null => null,
        YamlScalarNode scalar => scalar.Value,
        var other => Wrong<string>(other, key, "text"),
    };

    public double? Number(string key) => Get(key) switch
    {
        null => null,
        YamlScalarNode scalar when double.TryParse(scalar.Value, CultureInfo.InvariantCulture, out var number) && number >= 0 => number,
        var other => Wrong<double?>(other, key, "a number that is not negative"),
    };

    public int? Integer(string key) => Number(key) is { } number
        ? number % 1 == 0 ? (int)number : Wrong<int?>(node, key, "a whole number")
        : null;

    public TimeSpan? Ms(string key) => Number(key) is { } ms ? TimeSpan.FromMilliseconds(ms) : null;

    public bool? Flag(string key) => Get(key) switch
    {
        null => null,
        YamlScalarNode { Value: "true" } => true,
        YamlScalarNode { Value: "false" } => false,
        var other => Wrong<bool?>(other, key, "true or false"),
    };

    public YamlMap? Map(string key) => Get(key) switch
    {
        null => null,
        YamlMappingNode mapping => new YamlMap(reader, mapping, $"{path}{key}."),
        var other => Wrong<YamlMap>(other, key, "a mapping"),
    };

    public IReadOnlyList<YamlMap> Maps(string key) => [.. Items(key).Select((item, index) => item switch
    {
        YamlMappingNode mapping => new YamlMap(reader, mapping, $"{path}{key}[{index}]."),
        _ => Wrong<YamlMap>(item, $"{key}[{index}]", "a mapping"),
    }).OfType<YamlMap>()];

    public IReadOnlyList<string> Texts(string key) => [.. Items(key).Select((item, index) => item switch
    {
        YamlScalarNode scalar => scalar.Value,
        _ => Wrong<string>(item, $"{key}[{index}]", "text"),
    }).OfType<string>()];

    /// <summary>One text, or a list of them.</summary>
    public IReadOnlyList<string> TextOrTexts(string key) => Get(key) is YamlScalarNode { Value: { } text } ? [text] : Texts(key);

    public bool IsMap(string key) => Get(key) is YamlMappingNode;

    public void Mistake(string text) => reader.Mistake(node, text);

    public void Done()
    {
        foreach (var key in node.Children.Keys)
        {
            if (key is not YamlScalarNode { Value: { } name } || !_asked.Contains(name))
            {
                reader.Mistake(key, $"'{path}{key}' is not known here. Known: {string.Join(", ", _asked.Order(StringComparer.Ordinal))}.");
            }
        }
    }

    IEnumerable<YamlNode> Items(string key) => Get(key) switch
    {
        null => [],
        YamlSequenceNode sequence => sequence,
        var other => Wrong<IEnumerable<YamlNode>>(other, key, "a list") ?? [],
    };

    YamlNode? Get(string key)
    {
        _asked.Add(key);
        return node.Children.TryGetValue(new YamlScalarNode(key), out var value) ? value : null;
    }

    T? Wrong<T>(YamlNode at, string key, string what)
    {
        reader.Mistake(at, $"'{path}{key}' must be {what}.");
        return default;
    }
}
