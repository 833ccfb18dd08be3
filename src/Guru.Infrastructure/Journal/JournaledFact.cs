using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using Guru.Domain.Calls;
using Guru.Infrastructure.Postgres;

namespace Guru.Infrastructure.Journal;

/// <summary>A fact of a call, as it stands in the journal.</summary>
internal sealed record JournaledFact(CallSid CallSid, CallCommand Fact)
{
    internal static readonly JsonSerializerOptions Json = new(EventJson.Options)
    {
        TypeInfoResolver = EventJson.Options.TypeInfoResolver!.WithAddedModifier(NameFacts),
    };

    public byte[] ToUtf8() => JsonSerializer.SerializeToUtf8Bytes(this, Json);

    /// <exception cref="JsonException">It is none.</exception>
    public static JournaledFact Parse(ReadOnlySpan<byte> utf8) => JsonSerializer.Deserialize<JournaledFact>(utf8, Json) ?? throw new JsonException("No fact.");

    /// <summary>Whose a record is, of whichever kind.</summary>
    /// <exception cref="JsonException">It is none.</exception>
    public static CallSid CallOf(ReadOnlySpan<byte> utf8) => JsonSerializer.Deserialize<OfCall>(utf8, Json)?.CallSid ?? throw new JsonException("No record.");

    private static void NameFacts(JsonTypeInfo type)
    {
        if (type.Type != typeof(CallCommand))
        {
            return;
        }

        type.PolymorphismOptions = new JsonPolymorphismOptions();
        foreach (var fact in typeof(CallCommand).Assembly.GetTypes().Where(fact => fact.IsSubclassOf(typeof(CallCommand)) && !fact.IsAbstract))
        {
            type.PolymorphismOptions.DerivedTypes.Add(new JsonDerivedType(fact, fact.Name));
        }
    }

    private sealed record OfCall(CallSid CallSid);
}

/// <summary>What would be facts of a call, were the process gone.</summary>
internal sealed record JournaledUnfinished(CallSid CallSid, IReadOnlyList<CallCommand> Facts)
{
    public byte[] ToUtf8() => JsonSerializer.SerializeToUtf8Bytes(this, JournaledFact.Json);

    /// <exception cref="JsonException">It is none.</exception>
    public static JournaledUnfinished Parse(ReadOnlySpan<byte> utf8) =>
        JsonSerializer.Deserialize<JournaledUnfinished>(utf8, JournaledFact.Json) ?? throw new JsonException("Nothing unfinished.");
}
