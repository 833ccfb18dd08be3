using System.Security.Cryptography;
using System.Text.Json;
using System.Text.Json.Nodes;
using Guru.Application;
using Guru.Application.Calls;
using Guru.Domain;
using Guru.Domain.Callers;

namespace Guru.Infrastructure.Postgres;

/// <summary>An event ready to be stored.</summary>
public sealed record WrittenEvent(EventType Type, string Json);

/// <param name="KeyIds">The keys that the events are sealed under; they must exist when the events are committed.</param>
public sealed record WrittenEvents(IReadOnlyList<WrittenEvent> Events, IReadOnlyCollection<Guid> KeyIds);

/// <param name="Events">As they are stored: what is personal in them is sealed.</param>
/// <param name="KeyIds">As of <see cref="WrittenEvents"/>.</param>
internal sealed record SealedEvents(IReadOnlyList<object> Events, IReadOnlyCollection<Guid> KeyIds);

/// <param name="Json">UTF-8.</param>
public readonly record struct RawEvent(string StoredType, byte[] Json);

/// <summary>
/// The only place where an event becomes JSON and JSON an event. Members marked as personal data are sealed under the key of
/// their owner, kind and month; where the key was destroyed they read as an empty text.
/// </summary>
public sealed class EventSerializer(EventTypes types, EventKeys keys, Upcasters upcasters)
{
    public EventTypes Types => types;

    public async ValueTask<WrittenEvents> WriteAsync(CallerId? owner, IReadOnlyList<object> events, CancellationToken cancellationToken)
    {
        var (stored, keyIds) = await SealAsync(owner, events, cancellationToken);
        return new WrittenEvents([.. stored.Select(Write)], keyIds);
    }

    /// <summary>For a store that makes the JSON by itself, with <see cref="EventJson.Options"/>.</summary>
    internal async ValueTask<SealedEvents> SealAsync(CallerId? owner, IReadOnlyList<object> events, CancellationToken cancellationToken)
    {
        var scopes = new HashSet<KeyScope>();
        foreach (var @event in events)
        {
            var type = types.Of(@event);
            foreach (var member in type.PersonalMembers.Where(member => !string.IsNullOrEmpty(member.Get(@event))))
            {
                scopes.Add(ScopeOf(owner, type, member, @event));
            }
        }

        var known = await keys.ForWritingAsync(scopes, cancellationToken);
        return new SealedEvents(
            [.. events.Select(@event => Seal(types.Of(@event), owner, @event, known))], [.. known.Values.Select(key => key.Id)]);
    }

    /// <inheritdoc cref="OpenAsync(IReadOnlyList{RawEvent}, CancellationToken)"/>
    public async ValueTask<IReadOnlyList<object>> ReadAsync(IReadOnlyList<RawEvent> page, CancellationToken cancellationToken) =>
        [.. (await OpenAsync(page, cancellationToken)).Select(opened => opened.Data)];

    /// <summary>Reads a page of events, asking once for all keys it needs.</summary>
    internal ValueTask<IReadOnlyList<(object Data, bool Erased)>> OpenAsync(IReadOnlyList<RawEvent> page, CancellationToken cancellationToken) =>
        OpenAsync(page.Select(Parse).ToList(), cancellationToken);

    /// <inheritdoc cref="OpenAsync(IReadOnlyList{RawEvent}, CancellationToken)"/>
    /// <param name="page">Events that are sealed as <see cref="SealAsync"/> left them, and a <see cref="RawEvent"/> for each that has an upcaster.</param>
    internal ValueTask<IReadOnlyList<(object Data, bool Erased)>> OpenAsync(IReadOnlyList<object> page, CancellationToken cancellationToken) =>
        OpenAsync(page.Select(stored => stored is RawEvent raw ? Parse(raw) : new TodaysEvent(types.Of(stored), stored)).ToList(), cancellationToken);

    private async ValueTask<IReadOnlyList<(object Data, bool Erased)>> OpenAsync(List<IParsedEvent> parsed, CancellationToken cancellationToken)
    {
        var ids = new HashSet<Guid>();
        foreach (var @event in parsed)
        {
            @event.CollectKeys(ids);
        }

        using var known = new OpenKeys(await keys.ForReadingAsync(ids, cancellationToken));
        return parsed.ConvertAll(@event => @event.Open(known));
    }

    /// <summary>An event as analysts see it: words readable, how a person can be reached masked, and null what was erased.</summary>
    public EventView View(StoredEvent stored)
    {
        var type = types.Of(stored.Data);
        var shown = type.Copy(stored.Data);
        foreach (var member in type.PersonalMembers)
        {
            if (member.Get(stored.Data) is { Length: > 0 } text)
            {
                member.Set(shown, member.Kind == PersonalDataKind.Contact ? CallerAddress.Mask(text) : text);
            }
            else if (stored.Erased)
            {
                member.Set(shown, null);
            }
        }

        return new EventView(
            stored.Sequence, stored.StreamId, stored.Version, type.Name, type.At(stored.Data),
            JsonSerializer.SerializeToElement(shown, type.ClrType, EventJson.Options));
    }

    private WrittenEvent Write(object stored)
    {
        var type = types.Of(stored);
        return new WrittenEvent(type, JsonSerializer.Serialize(stored, type.ClrType, EventJson.Options));
    }

    private static object Seal(EventType type, CallerId? owner, object @event, IReadOnlyDictionary<KeyScope, EventKey> known)
    {
        var stored = @event;
        foreach (var member in type.PersonalMembers)
        {
            if (member.Get(@event) is { Length: > 0 } text)
            {
                stored = ReferenceEquals(stored, @event) ? type.Copy(@event) : stored;
                var key = known[ScopeOf(owner, type, member, @event)];
                member.Set(stored, SealedText.Seal(key.Id, key.Bytes, StorableText.Of(text), member.Binding));
            }
        }

        return stored;
    }

    private static KeyScope ScopeOf(CallerId? owner, EventType type, PersonalMember member, object @event) => KeyScope.Of(
        owner ?? throw new ArgumentException($"{type.Name} holds personal data, so its owner must be given.", nameof(owner)), member.Kind, type.At(@event));

    private IParsedEvent Parse(RawEvent raw)
    {
        if (upcasters.For(raw.StoredType) is { } upcaster)
        {
            var data = JsonNode.Parse(raw.Json) as JsonObject
                ?? throw new InvalidDataException($"An event '{raw.StoredType}' is no JSON object.");
            return new OlderEvent(types, raw.StoredType, data, upcaster);
        }

        var type = types.Stored(raw.StoredType);
        return new TodaysEvent(type, Deserialize(type, JsonSerializer.Deserialize(raw.Json, type.ClrType, EventJson.Options)));
    }

    private static object Deserialize(EventType type, object? @event) =>
        @event ?? throw new InvalidDataException($"An event '{type.StoredName}' is no JSON object.");

    private interface IParsedEvent
    {
        void CollectKeys(HashSet<Guid> ids);

        /// <returns>The event, and whether a key was missing.</returns>
        (object Data, bool Erased) Open(OpenKeys known);
    }

    /// <summary>The keys of a page, each set up once for all that is sealed under it.</summary>
    private sealed class OpenKeys(IReadOnlyDictionary<Guid, byte[]> known) : IDisposable
    {
        private readonly Dictionary<Guid, AesGcm> _ready = [];

        /// <param name="erased">Set where the key is gone, and the text with it.</param>
        public string Open(string text, Guid keyId, byte[] binding, ref bool erased)
        {
            if (!_ready.TryGetValue(keyId, out var aes))
            {
                if (!known.TryGetValue(keyId, out var key))
                {
                    erased = true;
                    return "";
                }

                _ready[keyId] = aes = new AesGcm(key, SealedBytes.TagLength);
            }

            return SealedText.Open(text, aes, binding);
        }

        public void Dispose()
        {
            foreach (var aes in _ready.Values)
            {
                aes.Dispose();
            }
        }
    }

    private sealed class TodaysEvent(EventType type, object data) : IParsedEvent
    {
        public void CollectKeys(HashSet<Guid> ids)
        {
            foreach (var member in type.PersonalMembers)
            {
                if (SealedText.TryKeyId(member.Get(data), out var id))
                {
                    ids.Add(id);
                }
            }
        }

        public (object Data, bool Erased) Open(OpenKeys known)
        {
            var erased = false;
            foreach (var member in type.PersonalMembers)
            {
                var text = member.Get(data);
                if (SealedText.TryKeyId(text, out var id))
                {
                    member.Set(data, known.Open(text!, id, member.Binding, ref erased));
                }
            }

            return (data, erased);
        }
    }

    /// <summary>Opened as it was sealed, under its old type and member names, and only then brought into today's shape.</summary>
    private sealed class OlderEvent(EventTypes types, string storedType, JsonObject data, Upcaster upcaster) : IParsedEvent
    {
        public void CollectKeys(HashSet<Guid> ids) => ids.UnionWith(Sealed().Select(member => member.KeyId));

        public (object Data, bool Erased) Open(OpenKeys known)
        {
            var erased = false;
            foreach (var (name, text, keyId) in Sealed().ToList())
            {
                data[name] = known.Open(text, keyId, PersonalMember.BindingOf(storedType, name), ref erased);
            }

            var today = upcaster(data);
            var type = types.Stored(today.StoredType);
            return (Deserialize(type, today.Data.Deserialize(type.ClrType, EventJson.Options)), erased);
        }

        private IEnumerable<(string Name, string Text, Guid KeyId)> Sealed()
        {
            foreach (var (name, node) in data)
            {
                if (node is JsonValue value && value.TryGetValue<string>(out var text) && SealedText.TryKeyId(text, out var id))
                {
                    yield return (name, text, id);
                }
            }
        }
    }
}
