using System.Collections.Frozen;
using System.Linq.Expressions;
using System.Reflection;
using System.Text;
using Guru.Domain;
using Guru.Domain.Calls;
using Guru.Domain.Conversations;

namespace Guru.Infrastructure.Postgres;

/// <summary>One kind of event under its three names, with what the store must know of it.</summary>
/// <param name="Name">In the contract, such as CallStarted.</param>
/// <param name="StoredName">In <c>mt_events.type</c>, such as call_started; never changes once events are stored.</param>
public sealed record EventType(Type ClrType, string Name, string StoredName, Func<object, DateTimeOffset> At)
{
    /// <summary>What Marten writes beside the type name: the class and its assembly, without a version.</summary>
    public string DotnetType { get; } = $"{ClrType.FullName}, {ClrType.Assembly.GetName().Name}";

    internal IReadOnlyList<PersonalMember> PersonalMembers { get; } = PersonalMember.Of(ClrType, StoredName);

    internal Func<object, object> Copy { get; } = Copier(ClrType);

    /// <summary>The copy constructor of a record, as <c>with { }</c> calls it.</summary>
    private static Func<object, object> Copier(Type type)
    {
        var source = Expression.Parameter(typeof(object));
        var clone = type.GetMethod("<Clone>$") ?? throw new InvalidOperationException($"{type.Name} is no record.");
        return Expression.Lambda<Func<object, object>>(Expression.Call(Expression.Convert(source, type), clone), source).Compile();
    }
}

/// <summary>The one table from event classes to their names. A new family of events is a new line in <see cref="Shipped"/>.</summary>
public sealed class EventTypes
{
    private readonly FrozenDictionary<Type, EventType> _byClass;
    private readonly FrozenDictionary<string, EventType> _byStoredName;

    public EventTypes(IEnumerable<EventType> types)
    {
        All = [.. types];
        _byClass = All.ToFrozenDictionary(type => type.ClrType);
        _byStoredName = All.ToFrozenDictionary(type => type.StoredName, StringComparer.Ordinal);
    }

    public static EventTypes Shipped { get; } = new(
    [
        .. Family<CallEvent>(
            e => e.At,
            (typeof(CallStarted), "CallStarted", "call_started"),
            (typeof(AgentRouted), "AgentRouted", "agent_routed"),
            (typeof(AgentHandedOff), "AgentHandedOff", "agent_handed_off"),
            (typeof(CallLanguageDetermined), "CallLanguageDetermined", "call_language_determined"),
            (typeof(MediaStreamRequested), "MediaStreamRequested", "media_stream_requested"),
            (typeof(MediaStreamConnected), "MediaStreamConnected", "media_stream_connected"),
            (typeof(CallResumed), "CallResumed", "call_resumed"),
            (typeof(UtteranceTranscribed), "UtteranceTranscribed", "utterance_transcribed"),
            (typeof(VoiceModelReconnected), "VoiceModelReconnected", "voice_model_reconnected"),
            (typeof(UsageRecorded), "UsageRecorded", "usage_recorded"),
            (typeof(RecordingStored), "RecordingStored", "recording_stored"),
            (typeof(CallStatusChanged), "CallStatusChanged", "call_status_changed"),
            (typeof(CallEnded), "CallEnded", "call_ended"),
            (typeof(CallErased), "CallErased", "call_erased"),
            (typeof(CallSummarized), "CallSummarized", "call_summarized")),
        .. Family<ConversationEvent>(
            e => e.At,
            (typeof(MessageReceived), "MessageReceived", "message_received"),
            (typeof(VoiceNoteTranscribed), "VoiceNoteTranscribed", "voice_note_transcribed"),
            (typeof(AgentSelected), "AgentSelected", "agent_selected"),
            (typeof(MessageReplied), "MessageReplied", "message_replied"),
            (typeof(MessageReplyFailed), "MessageReplyFailed", "message_reply_failed"),
            (typeof(MessageSent), "MessageSent", "message_sent"),
            (typeof(MessageNotSent), "MessageNotSent", "message_not_sent"),
            (typeof(MessageDeliveryChanged), "MessageDeliveryChanged", "message_delivery_changed"),
            (typeof(LanguageDetermined), "LanguageDetermined", "language_determined"),
            (typeof(ConversationSummarized), "ConversationSummarized", "conversation_summarized"),
            (typeof(CallerAliased), "CallerAliased", "caller_aliased"),
            (typeof(RetentionApplied), "RetentionApplied", "retention_applied")),
        .. Family<ConsentEvent>(
            e => e.At,
            (typeof(CallPermissionRequested), "CallPermissionRequested", "call_permission_requested"),
            (typeof(CallPermissionRequestSent), "CallPermissionRequestSent", "call_permission_request_sent"),
            (typeof(CallPermissionRequestFailed), "CallPermissionRequestFailed", "call_permission_request_failed"),
            (typeof(CallPermissionGranted), "CallPermissionGranted", "call_permission_granted"),
            (typeof(CallPermissionDeclined), "CallPermissionDeclined", "call_permission_declined"),
            (typeof(CallPermissionRevoked), "CallPermissionRevoked", "call_permission_revoked"),
            (typeof(OutboundCallRequested), "OutboundCallRequested", "outbound_call_requested"),
            (typeof(OutboundCallAllowed), "OutboundCallAllowed", "outbound_call_allowed"),
            (typeof(OutboundCallPlaced), "OutboundCallPlaced", "outbound_call_placed"),
            (typeof(OutboundCallRefused), "OutboundCallRefused", "outbound_call_refused"),
            (typeof(OutboundCallEnded), "OutboundCallEnded", "outbound_call_ended"),
            (typeof(CallBackProposed), "CallBackProposed", "call_back_proposed"),
            (typeof(CallBackConfirmed), "CallBackConfirmed", "call_back_confirmed"),
            (typeof(CallBackCancelled), "CallBackCancelled", "call_back_cancelled"),
            (typeof(CallerErased), "CallerErased", "caller_erased")),
    ]);

    public IReadOnlyList<EventType> All { get; }

    public EventType Of(object @event) =>
        _byClass.GetValueOrDefault(@event.GetType())
        ?? throw new InvalidOperationException($"{@event.GetType().Name} is not in the table of event types.");

    public EventType Stored(string storedName) =>
        _byStoredName.GetValueOrDefault(storedName)
        ?? throw new InvalidDataException($"The log holds events of the type '{storedName}', which this version of Guru does not know.");

    /// <summary>Events that share a base class, which tells when they happened.</summary>
    public static IEnumerable<EventType> Family<TBase>(
        Func<TBase, DateTimeOffset> at, params (Type ClrType, string Name, string StoredName)[] types)
        where TBase : class =>
        types.Select(type => new EventType(type.ClrType, type.Name, type.StoredName, e => at((TBase)e)));
}

/// <summary>A text member of an event marked as personal data.</summary>
/// <param name="Binding">Event type and member, authenticated with the ciphertext: a sealed text opens only where it was written.</param>
internal sealed record PersonalMember(PersonalDataKind Kind, byte[] Binding, Func<object, string?> Get, Action<object, string?> Set)
{
    public static IReadOnlyList<PersonalMember> Of(Type type, string storedName)
    {
        var hidden = type.GetProperties()
            .Where(property => property.GetCustomAttribute<PersonalDataAttribute>() is not null && property.PropertyType != typeof(string));
        var nested = type.GetProperties()
            .SelectMany(property => Elements(property.PropertyType))
            .Where(inner => inner.Namespace?.StartsWith("Guru.", StringComparison.Ordinal) == true)
            .SelectMany(inner => inner.GetProperties())
            .Where(property => property.GetCustomAttribute<PersonalDataAttribute>() is not null);
        if (hidden.Concat(nested).FirstOrDefault() is { } unreachable)
        {
            throw new NotSupportedException(
                $"{type.Name}: personal data must be a text member of the event itself, and {unreachable.Name} is not.");
        }

        return
        [
            .. from property in type.GetProperties()
               let mark = property.GetCustomAttribute<PersonalDataAttribute>()
               where mark is not null
               select new PersonalMember(
                   mark.Kind, BindingOf(storedName, EventJson.NameOf(property.Name)), Getter(property), Setter(property)),
        ];
    }

    public static byte[] BindingOf(string storedName, string member) => Encoding.UTF8.GetBytes($"{storedName}.{member}");

    private static IEnumerable<Type> Elements(Type type) => type.IsGenericType ? [type, .. type.GetGenericArguments()] : [type];

    private static Func<object, string?> Getter(PropertyInfo property)
    {
        var target = Expression.Parameter(typeof(object));
        return Expression.Lambda<Func<object, string?>>(
            Expression.Property(Expression.Convert(target, property.DeclaringType!), property), target).Compile();
    }

    /// <summary>Init-only setters are ordinary ones to everybody but the compiler.</summary>
    private static Action<object, string?> Setter(PropertyInfo property)
    {
        var target = Expression.Parameter(typeof(object));
        var value = Expression.Parameter(typeof(string));
        return Expression.Lambda<Action<object, string?>>(
            Expression.Call(Expression.Convert(target, property.DeclaringType!), property.SetMethod!, value), target, value).Compile();
    }
}
