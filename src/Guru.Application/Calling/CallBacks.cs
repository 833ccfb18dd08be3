using System.Globalization;
using Guru.Application.Conversations;
using Guru.Domain;
using Guru.Domain.Callers;
using Guru.Domain.Conversations;

namespace Guru.Application.Calling;

/// <summary>When a person wants to be called.</summary>
/// <param name="Zone">Theirs, as an IANA name; empty where they told in how long, and no clock.</param>
internal readonly record struct CallBackTime(DateTimeOffset DueAt, string Zone);

/// <summary>
/// Calls at a later time: a person's wish becomes a proposal, and their word makes it an appointment, which the to-do list keeps.
/// docs/consent.md, "Call me tomorrow at ten".
/// </summary>
public sealed class CallBacks(ITemplates templates, CallingTerms terms, TimeProvider time)
{
    private const int MostCharacters = 300;

    private static readonly string[] LocalTimes = ["yyyy-MM-ddTHH:mm", "yyyy-MM-ddTHH:mm:ss"];
    private static readonly string[] UtcTimes = ["yyyy-MM-ddTHH:mm'Z'", "yyyy-MM-ddTHH:mm:ss'Z'"];

    /// <summary>What the router is told, so that it finds wishes to be called, and answers to what was proposed.</summary>
    public string Question(Conversation conversation)
    {
        var zones = ZonesOf(conversation);
        var open = Latest(conversation) switch
        {
            { State: CallBackState.Proposed } back => $"The advisor has proposed to call them at {Local(back)}.",
            { State: CallBackState.Confirmed } back => $"A call is arranged for {Local(back)}.",
            _ => "No call is proposed.",
        };
        return $"""
            If the person asks to be called at some time, callBackAt is that time by their clock (such as 2026-11-23T10:00), or in UTC with a Z where they say in how long;
            callBackTimeZone is their IANA time zone {(zones.Count == 0 ? "where they have said it" : $"(by their number one of {string.Join(", ", zones)}; null where that is not sure)")}, and callBackAbout what it is about, in a few words; else they are null.
            {open} callBackAnswer is agreed where they agree to that call, declined where they do not want it (any more), else none.
            {Clock.Now(time.GetUtcNow())}
            """;
    }

    /// <summary>What the agent who writes is told; null where there is nothing to say.</summary>
    public string? Told(Conversation conversation) => Latest(conversation) switch
    {
        { State: CallBackState.Proposed } back => $"The person wants to be called at {Local(back)}. Ask them whether that is right, with the day and the time: the call is only made if they agree.",
        { State: CallBackState.Confirmed } back when MayBeCalledAt(conversation, back.DueAt) => $"A call to the person is arranged for {Local(back)}. They can write that they do not want it.",
        { State: CallBackState.Confirmed } back => $"A call to the person is arranged for {Local(back)}, but they have not allowed calls yet: they are asked in this chat, and have to allow it there before.",
        { State: CallBackState.Cancelled } => "The call to the person that was proposed or arranged is cancelled.",
        _ => null,
    };

    /// <summary>Puts on record what the router found in a message.</summary>
    public async Task ArrangeAsync(ConversationLog log, CallerId callerId, string messageSid, string agent, RoutingDecision found, CancellationToken cancellationToken)
    {
        var latest = Latest(log.State);
        if (found.CallBackAnswer == RoutingDecision.Declined && latest is { State: not CallBackState.Cancelled })
        {
            await CancelAsync(log, callerId, latest, cancellationToken);
        }
        else if (found.CallBackAnswer == RoutingDecision.Agreed && latest is { State: CallBackState.Proposed })
        {
            await ConfirmAsync(log, callerId, latest, cancellationToken);
        }
        else if (Read(found.CallBackAt, found.CallBackTimeZone, log.State, out _) is { } wish)
        {
            await ProposeAsync(log, new CallBackProposed(messageSid, callerId, wish.DueAt, wish.Zone, agent, About(found.CallBackAbout), time.GetUtcNow()), cancellationToken);
        }
    }

    internal static Task ProposeAsync(ConversationLog log, CallBackProposed proposal, CancellationToken cancellationToken) =>
        log.AppendAsync(new ProposeCallBack(proposal), cancellationToken);

    internal Task CancelAsync(ConversationLog log, CallerId callerId, CallBack back, CancellationToken cancellationToken) =>
        log.AppendAsync(new CancelCallBack(back.CallBackId, callerId, CallBackCancelled.ByCaller, time.GetUtcNow()), cancellationToken);

    /// <summary>Who wants a call must still allow it in WhatsApp: they are asked, unless they have, or were asked enough.</summary>
    internal async Task ConfirmAsync(ConversationLog log, CallerId callerId, CallBack back, CancellationToken cancellationToken)
    {
        await log.AppendAsync(new ConfirmCallBack(back.CallBackId, callerId, time.GetUtcNow()), cancellationToken);
        if (MayBeCalledAt(log.State, back.DueAt) || await templates.FindAsync(TemplateKind.PermissionRequest, log.State.Language, cancellationToken) is not { } template)
        {
            return;
        }

        try
        {
            var request = new CallPermissionRequested(back.CallBackId, callerId, log.State.Address, template.ContentSid, Variables: null, time.GetUtcNow());
            await log.AppendAsync(new RequestPermission(request, terms.Sender, terms.Rules), cancellationToken);
        }
        catch (RuleException)
        {
            // Not now; the call is refused when its time comes, unless they allow it before.
        }
    }

    internal static bool MayBeCalledAt(Conversation conversation, DateTimeOffset at) => conversation.Consent.Permission is { } permission && !(permission.ExpiresAt <= at);

    /// <summary>Whether they were asked to allow calls, and have not answered yet.</summary>
    internal bool IsAsked(Conversation conversation) => conversation.Consent.Requests.Exists(request => request.IsPending(time.GetUtcNow(), terms.Rules));

    /// <summary>The time that a model makes of what a person has said; null where it cannot be, and why.</summary>
    /// <param name="at">By the person's clock, or in UTC with a Z.</param>
    /// <param name="zone">IANA; where it is null, the one that is known of the person or of their number.</param>
    /// <param name="conversation">With the person.</param>
    /// <param name="why">For the model.</param>
    internal CallBackTime? Read(string? at, string? zone, Conversation conversation, out string? why)
    {
        var name = zone ?? (ZonesOf(conversation) is [var only] ? only : null);
        if (DateTime.TryParseExact(at, UtcTimes, CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal | DateTimeStyles.AdjustToUniversal, out var moment))
        {
            return Bounded(new CallBackTime(new DateTimeOffset(moment), name is not null && TimeZoneInfo.TryFindSystemTimeZoneById(name, out _) ? name : ""), out why);
        }

        if (!DateTime.TryParseExact(at, LocalTimes, CultureInfo.InvariantCulture, DateTimeStyles.None, out var local))
        {
            why = "The time is missing: a date and a time by the person's clock, such as 2026-11-23T10:00, or in UTC with a Z.";
            return null;
        }

        if (name is null || !TimeZoneInfo.TryFindSystemTimeZoneById(name, out var found))
        {
            why = "The person's time zone is not known: ask where they are, and give it, such as America/New_York.";
            return null;
        }

        local = found.IsInvalidTime(local) ? local.AddHours(1) : local; // The clocks are put forward over it.
        return Bounded(new CallBackTime(new DateTimeOffset(local, found.GetUtcOffset(local)).ToUniversalTime(), name), out why);
    }

    internal static string About(string? about) =>
        string.IsNullOrWhiteSpace(about) ? "what you asked about" : BoundedText.Cut(about.Trim(), MostCharacters);

    /// <summary>The newest that is still to come, or was cancelled before it came.</summary>
    internal CallBack? Latest(Conversation conversation) =>
        conversation.Consent.CallBacks.Values
            .Where(back => back.DueAt + CallConsent.CallBackLateness > time.GetUtcNow() && !conversation.Consent.Calls.ContainsKey(back.CallBackId))
            .OrderByDescending(back => back.At).FirstOrDefault();

    internal string Local(CallBack back) =>
        back.TimeZone.Length > 0 && TimeZoneInfo.TryFindSystemTimeZoneById(back.TimeZone, out var zone)
            ? $"{Clock.Of(TimeZoneInfo.ConvertTime(back.DueAt, zone))} by their clock ({back.TimeZone})"
            : $"{Clock.Of(back.DueAt)} UTC, in {Math.Max(0, Math.Round((back.DueAt - time.GetUtcNow()).TotalMinutes)).ToString(CultureInfo.InvariantCulture)} minutes";

    private CallBackTime? Bounded(CallBackTime wish, out string? why)
    {
        var now = time.GetUtcNow();
        why = wish.DueAt <= now ? $"That is in the past: it is {Clock.Of(now)} UTC."
            : wish.DueAt >= now + terms.Settings.MostAhead ? $"That is more than {terms.Settings.MostDaysAhead} days ahead."
            : null;
        return why is null ? wish : null;
    }

    private List<string> ZonesOf(Conversation conversation) =>
        conversation.Consent.TimeZone is { } known ? [known]
        : CallerAddress.TryParse(conversation.Address, out var address) ? [.. terms.Rules.CountryOf(address)?.Zones.Select(zone => zone.Id) ?? []]
        : [];
}
