using System.Collections.Immutable;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Serialization;
using System.Text.Json.Serialization.Metadata;
using Guru.Domain.Callers;
using Guru.Domain.Calls;

namespace Guru.Infrastructure.Postgres;

/// <summary>How events look as JSON: camelCase, enums as camelCase text, ids as plain text, times in UTC.</summary>
internal static class EventJson
{
    /// <summary>Lenient on reading, since events are read forever: unknown members are skipped, missing ones take their default.</summary>
    public static JsonSerializerOptions Options { get; } = new()
    {
        PropertyNamingPolicy = JsonNamingPolicy.CamelCase,
        PropertyNameCaseInsensitive = true,
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
        TypeInfoResolver = new DefaultJsonTypeInfoResolver { Modifiers = { FillMissingLists, OmitWhatIsRare } },
        Converters =
        {
            new JsonStringEnumConverter(JsonNamingPolicy.CamelCase),
            new StorableTextConverter(),
            new TextsConverter(),
            new UtcConverter(),
            new IdConverter<CallSid>(text => CallSid.TryParse(text, out var sid) ? sid : default, sid => sid.Value),
            new IdConverter<CallerId>(text => CallerId.TryParse(text, out var id) ? id : default, id => id.Value),
        },
    };

    public static string NameOf(string member) => JsonNamingPolicy.CamelCase.ConvertName(member);

    /// <summary>A list that an event lacks is empty; an <see cref="ImmutableArray{T}"/> by default throws on every use.</summary>
    private static void FillMissingLists(JsonTypeInfo type)
    {
        List<JsonPropertyInfo> lists = [.. type.Properties.Where(property => property.PropertyType == typeof(ImmutableArray<string>))];
        if (lists.Count > 0)
        {
            type.OnDeserialized = data =>
            {
                foreach (var list in lists.Where(list => list.Get!(data) is ImmutableArray<string> { IsDefault: true }))
                {
                    list.Set!(data, ImmutableArray<string>.Empty);
                }
            };
        }
    }

    /// <summary>The contract's members are all that most events have.</summary>
    private static void OmitWhatIsRare(JsonTypeInfo type)
    {
        if (type.Type == typeof(MediaStreamConnected))
        {
            type.Properties.Single(property => property.Name == NameOf(nameof(MediaStreamConnected.Overtaken))).ShouldSerialize = (_, overtaken) => overtaken is true;
        }
    }

    private sealed class IdConverter<T>(Func<string?, T> parse, Func<T, string?> value) : JsonConverter<T>
        where T : struct
    {
        public override T Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options) => parse(reader.GetString());

        public override void Write(Utf8JsonWriter writer, T id, JsonSerializerOptions options) => writer.WriteStringValue(value(id));
    }

    private sealed class StorableTextConverter : JsonConverter<string>
    {
        public override string? Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options) => reader.GetString();

        public override void Write(Utf8JsonWriter writer, string value, JsonSerializerOptions options) =>
            writer.WriteStringValue(StorableText.Of(value));
    }

    private sealed class TextsConverter : JsonConverter<ImmutableArray<string>>
    {
        public override bool HandleNull => true;

        public override ImmutableArray<string> Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options) =>
            [.. JsonSerializer.Deserialize<string[]>(ref reader, options) ?? []];

        public override void Write(Utf8JsonWriter writer, ImmutableArray<string> value, JsonSerializerOptions options) =>
            JsonSerializer.Serialize(writer, value.IsDefault ? [] : value.AsSpan().ToArray(), options);
    }
}
