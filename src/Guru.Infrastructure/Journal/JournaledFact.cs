using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using Guru.Domain.Calls;
using Guru.Infrastructure.Postgres;

namespace Guru.Infrastructure.Journal;

/// <summary>A fact of a call, as it stands in the journal.</summary>
internal sealed record JournaledFact(CallSid CallSid, CallCommand Fact)
{
    private static readonly JsonSerializerOptions Json = new(EventJson.Options)
    {
        TypeInfoResolver = EventJson.Options.TypeInfoResolver!.WithAddedModifier(NameFacts),
    };

    public byte[] ToUtf8() => JsonSerializer.SerializeToUtf8Bytes(this, Json);

    /// <exception cref="JsonException">It is none.</exception>
    public static JournaledFact Parse(ReadOnlySpan<byte> utf8) => JsonSerializer.Deserialize<JournaledFact>(utf8, Json) ?? throw new JsonException("No fact.");

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
}
