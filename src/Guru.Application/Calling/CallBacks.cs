using System.Globalization;
using Guru.Application.Conversations;
using Guru.Domain;
using Guru.Domain.Callers;
using Guru.Domain.Conversations;

namespace Guru.Application.Calling;

/// <summary>
/// Calls at a later time, arranged in writing: a person's wish becomes a proposal, and their word makes it an appointment, which the
/// to-do list keeps. docs/consent.md, "Call me tomorrow at ten".
/// </summary>
public sealed class CallBacks(ITemplates templates, CallingTerms terms, TimeProvider time)
{
    private const int MostCharacters = 300;

    private static readonly string[] LocalTimes = ["yyyy-MM-ddTHH:mm", "yyyy-MM-ddTHH:mm:ss"];

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
            If the person asks to be called at some time, callBackAt is that time by their clock (such as 2026-11-23T10:00), callBackTimeZone their IANA time zone
            {(zones.Count == 0 ? "where they have said it" : $"(by their number one of {string.Join(", ", zones)}; null where that is not sure)")}, and callBackAbout what it is about, in a few words; else they are null.
            {open} callBackAnswer is agreed where they agree to that call, declined where they do not want it (any more), else none.
            It is {time.GetUtcNow().UtcDateTime.ToString("yyyy-MM-ddTHH:mm", CultureInfo.InvariantCulture)} UTC.
            """;
    }

    /// <summary>What the agent who writes is told; null where there is nothing to say.</summary>
    public string? Told(Conversation conversation) => Latest(conversation) switch
    {
        { State: CallBackState.Proposed } back => $"The person wants to be called at {Local(back)}, by their clock. Ask them whether that is right, with the day and the time: the call is only made if they agree.",
        { State: CallBackState.Confirmed } back => $"A call to the person is arranged for {Local(back)}, by their clock. They can write that they do not want it.",
        { State: CallBackState.Cancelled } => "The call to the person that was proposed or arranged is cancelled.",
        _ => null,
    };

    /// <summary>Puts on record what the router found in a message.</summary>
    public async Task ArrangeAsync(ConversationLog log, CallerId callerId, string messageSid, string agent, RoutingDecision found, CancellationToken cancellationToken)
    {
        var now = time.GetUtcNow();
        var latest = Latest(log.State);
        if (found.CallBackAnswer == RoutingDecision.Declined && latest is { State: not CallBackState.Cancelled })
        {
            await log.AppendAsync(new CancelCallBack(latest.CallBackId, callerId, "caller", now), cancellationToken);
        }
        else if (found.CallBackAnswer == RoutingDecision.Agreed && latest is { State: CallBackState.Proposed })
        {
            await log.AppendAsync(new ConfirmCallBack(latest.CallBackId, callerId, now), cancellationToken);
            await AskPermissionAsync(log, callerId, latest, cancellationToken);
        }
        else if (TimeOf(found, log.State) is { } wish && wish.DueAt > now && wish.DueAt < now + terms.Settings.MostAhead)
        {
            var about = string.IsNullOrWhiteSpace(found.CallBackAbout) ? "what you wrote about" : found.CallBackAbout.Trim();
            await log.AppendAsync(
                new ProposeCallBack(new CallBackProposed(
                    messageSid, callerId, wish.DueAt, wish.Zone, agent, about[..Math.Min(about.Length, MostCharacters)], now)),
                cancellationToken);
        }
    }

    /// <summary>Who wants a call must still allow it in WhatsApp: they are asked, unless they have, or were asked enough.</summary>
    private async Task AskPermissionAsync(ConversationLog log, CallerId callerId, CallBack back, CancellationToken cancellationToken)
    {
        var permission = log.State.Consent.Permission;
        if (permission is not null && !(permission.ExpiresAt <= back.DueAt) || await templates.FindAsync(TemplateKind.PermissionRequest, log.State.Language, cancellationToken) is not { } template)
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

    private (DateTimeOffset DueAt, string Zone)? TimeOf(RoutingDecision found, Conversation conversation)
    {
        var name = found.CallBackTimeZone ?? (ZonesOf(conversation) is [var only] ? only : null);
        if (name is null || !TimeZoneInfo.TryFindSystemTimeZoneById(name, out var zone)
            || !DateTime.TryParseExact(found.CallBackAt, LocalTimes, CultureInfo.InvariantCulture, DateTimeStyles.None, out var local))
        {
            return null;
        }

        local = zone.IsInvalidTime(local) ? local.AddHours(1) : local; // The clocks are put forward over it.
        return (new DateTimeOffset(local, zone.GetUtcOffset(local)).ToUniversalTime(), name);
    }

    /// <summary>The newest that is still to come, or was cancelled before it came.</summary>
    private CallBack? Latest(Conversation conversation) =>
        conversation.Consent.CallBacks.Values
            .Where(back => back.DueAt + CallConsent.CallBackLateness > time.GetUtcNow() && !conversation.Consent.Calls.ContainsKey(back.CallBackId))
            .OrderByDescending(back => back.At).FirstOrDefault();

    private List<string> ZonesOf(Conversation conversation) =>
        conversation.Consent.TimeZone is { } known ? [known]
        : CallerAddress.TryParse(conversation.Address, out var address) ? [.. terms.Rules.CountryOf(address)?.Zones.Select(zone => zone.Id) ?? []]
        : [];

    private static string Local(CallBack back) =>
        (TimeZoneInfo.TryFindSystemTimeZoneById(back.TimeZone, out var zone) ? TimeZoneInfo.ConvertTime(back.DueAt, zone) : back.DueAt)
            .ToString("dddd, yyyy-MM-dd HH:mm", CultureInfo.InvariantCulture);
}
