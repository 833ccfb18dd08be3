using System.Globalization;
using System.Text.Json;
using Guru.Application.Calling;
using Guru.Application.Calls;
using Guru.Application.Conversations;
using Guru.Domain.Callers;
using Guru.Domain.Calls;
using Microsoft.Extensions.Logging;

namespace Guru.Infrastructure.Twilio;

/// <summary>
/// WhatsApp calls over Twilio's REST API. The call asks the same webhook as one that comes in, and tells the same status address of every step.
/// </summary>
internal sealed class TwilioCalls(
    TwilioOptions twilio, MessengerOptions options, CallingSettings settings, PublicAddress address, TimeProvider time, ILogger<TwilioCalls> logger)
    : ICallCarrier, IDisposable
{
    private const int PageSize = 20;
    private const string Calls = "Calls.json";

    /// <summary>Twilio tells whole seconds, in which more may have happened before the end.</summary>
    private static readonly TimeSpan EndOfSecond = TimeSpan.FromMilliseconds(999);
    private static readonly string[] Steps = ["initiated", "ringing", "answered", "completed"];

    private readonly TwilioRest _rest = new(twilio, options, time, logger);

    public Task<CallSid> PlaceAsync(CallerAddress to, CancellationToken cancellationToken) => _rest.LoggedAsync(
        "place a call",
        async () =>
        {
            List<KeyValuePair<string, string>> form =
            [
                new("From", _rest.From),
                new("To", to.ToWhatsApp()),
                new("Url", address.VoiceWebhook.AbsoluteUri),
                new("StatusCallback", address.CallStatus.AbsoluteUri),
                .. Steps.Select(step => KeyValuePair.Create("StatusCallbackEvent", step)),
                new("Timeout", settings.RingSeconds.ToString(CultureInfo.InvariantCulture)),
            ];
            return Sid(await _rest.PostAsync(_rest.OfAccount(Calls), form, cancellationToken)) ?? throw TwilioRefusals.OfNoSid();
        });

    public Task<IReadOnlyList<CallSid>> FindPlacedAsync(CallerAddress to, DateTimeOffset since, CancellationToken cancellationToken) => _rest.LoggedAsync(
        "list calls",
        async () =>
        {
            // Not filtered by StartTime: a call that waits or rings has none, and one in Twilio's queue no date at all. Nobody is called so
            // often that a page would not do.
            var answer = await _rest.GetAsync(_rest.Hosts.Api(_rest.SentTo(to, Calls, PageSize)), cancellationToken);
            return (IReadOnlyList<CallSid>)
                [.. TwilioRest.Listed(answer, "calls").Where(call => !(call.Moment("date_created") < since)).Select(Sid).OfType<CallSid>()];
        });

    public Task<RecordCallStatus?> TellAsync(CallSid callSid, CancellationToken cancellationToken) => _rest.LoggedAsync(
        "tell a call's status",
        async Task<RecordCallStatus?> () =>
        {
            try
            {
                var call = await _rest.GetAsync(_rest.OfAccount($"Calls/{callSid}.json"), cancellationToken);
                return new RecordCallStatus(
                    callSid.Value, call.Text("status"), call.Text("from"), call.Text("to"), call.Text("direction"), call.Text("duration"), ErrorCode: null)
                {
                    Since = call.Moment("end_time") + EndOfSecond,
                };
            }
            catch (MessengerException unknown) when (unknown.Code is 20404 or 404)
            {
                return null;
            }
        });

    public void Dispose() => _rest.Dispose();

    private static CallSid? Sid(JsonElement call) => CallSid.TryParse(call.Text("sid"), out var sid) ? sid : null;
}
