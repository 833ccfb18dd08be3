using System.Collections.Immutable;
using System.Text.Json.Nodes;

namespace Guru.Infrastructure.Postgres;

/// <summary>
/// Turns the JSON of an older shape into today's, under the same or another type name. It is given every event of its type, new
/// ones too, with personal data already readable, and must leave alone what has today's shape.
/// </summary>
public delegate UpcastEvent Upcaster(JsonObject data);

/// <param name="StoredType">Today's name of the type in <c>mt_events.type</c>.</param>
public sealed record UpcastEvent(string StoredType, JsonObject Data);

/// <summary>The old shapes that are still read, by stored type name.</summary>
public sealed class Upcasters
{
    private readonly ImmutableDictionary<string, Upcaster> _byType;

    private Upcasters(ImmutableDictionary<string, Upcaster> byType) => _byType = byType;

    /// <summary>No shape has changed yet.</summary>
    public static Upcasters Shipped { get; } = new(ImmutableDictionary.Create<string, Upcaster>(StringComparer.Ordinal));

    public IEnumerable<string> StoredTypes => _byType.Keys;

    public Upcasters With(string storedType, Upcaster upcaster) => new(_byType.Add(storedType, upcaster));

    public Upcaster? For(string storedType) => _byType.GetValueOrDefault(storedType);
}
