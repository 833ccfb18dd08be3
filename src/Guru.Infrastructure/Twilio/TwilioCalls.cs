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
public sealed partial class TwilioCalls : ICallCarrier, IDisposable
{
    private const int PageSize = 20;

    /// <summary>Twilio tells whole seconds, in which more may have happened before the end.</summary>
    private static readonly TimeSpan EndOfSecond = TimeSpan.FromMilliseconds(999);
    private static readonly string[] Steps = ["initiated", "ringing", "answered", "completed"];

    private readonly TwilioRest _rest;
    private readonly PublicAddress _address;
    private readonly ILogger<TwilioCalls> _logger;
    private readonly string _from;
    private readonly string _account;
    private readonly int _ringSeconds;

    public TwilioCalls(TwilioOptions twilio, MessengerOptions options, CallingSettings settings, PublicAddress address, TimeProvider time, ILogger<TwilioCalls> logger)
    {
        _rest = new TwilioRest(twilio, options, time);
        _address = address;
        _logger = logger;
        _from = CallerAddress.Parse(twilio.WhatsAppNumber).ToWhatsApp();
        _account = $"/2010-04-01/Accounts/{Uri.EscapeDataString(twilio.AccountSid)}";
        _ringSeconds = settings.RingSeconds;
    }

    public Task<CallSid> PlaceAsync(CallerAddress to, CancellationToken cancellationToken) => LoggedAsync(
        "place a call",
        async () =>
        {
            List<KeyValuePair<string, string>> form =
            [
                new("From", _from),
                new("To", to.ToWhatsApp()),
                new("Url", _address.VoiceWebhook.AbsoluteUri),
                new("StatusCallback", _address.CallStatus.AbsoluteUri),
                .. Steps.Select(step => KeyValuePair.Create("StatusCallbackEvent", step)),
                new("Timeout", _ringSeconds.ToString(CultureInfo.InvariantCulture)),
            ];

            // Accepted, but under which sid cannot be read: it has most likely been placed.
            return Sid(await _rest.PostAsync(_rest.Hosts.Api($"{_account}/Calls.json"), form, cancellationToken))
                ?? throw new MessengerException(code: null, transient: true, unknown: true);
        });

    public Task<IReadOnlyList<CallSid>> FindPlacedAsync(CallerAddress to, DateTimeOffset since, CancellationToken cancellationToken) => LoggedAsync(
        "list calls",
        async () =>
        {
            // Not filtered by StartTime: a call that waits or rings has none. Nobody is called so often that a page would not do.
            var answer = await _rest.GetAsync(
                _rest.Hosts.Api($"{_account}/Calls.json?To={Uri.EscapeDataString(to.ToWhatsApp())}&From={Uri.EscapeDataString(_from)}&PageSize={PageSize.ToString(CultureInfo.InvariantCulture)}"),
                cancellationToken);
            return answer.At("calls") is { ValueKind: JsonValueKind.Array } calls
                ? (IReadOnlyList<CallSid>)[.. calls.EnumerateArray().Where(call => !(CreatedAt(call) < since)).Select(Sid).OfType<CallSid>()]
                : throw new MessengerException(code: null, transient: true, inner: new InvalidDataException("Not a list of calls."));
        });

    public Task<RecordCallStatus?> TellAsync(CallSid callSid, CancellationToken cancellationToken) => LoggedAsync(
        "tell a call's status",
        async Task<RecordCallStatus?> () =>
        {
            try
            {
                var call = await _rest.GetAsync(_rest.Hosts.Api($"{_account}/Calls/{callSid}.json"), cancellationToken);
                return new RecordCallStatus(
                    callSid.Value, call.Text("status"), call.Text("from"), call.Text("to"), call.Text("direction"), call.Text("duration"), ErrorCode: null)
                {
                    Since = Moment(call, "end_time") + EndOfSecond,
                };
            }
            catch (MessengerException unknown) when (unknown.Code is 20404 or 404)
            {
                return null;
            }
        });

    public void Dispose() => _rest.Dispose();

    private static CallSid? Sid(JsonElement call) => CallSid.TryParse(call.Text("sid"), out var sid) ? sid : null;

    /// <summary>Null while the call waits in Twilio's queue.</summary>
    private static DateTimeOffset? CreatedAt(JsonElement call) => Moment(call, "date_created");

    private static DateTimeOffset? Moment(JsonElement call, string member) =>
        DateTimeOffset.TryParse(call.Text(member), CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out var at) ? at : null;

    private async Task<T> LoggedAsync<T>(string action, Func<Task<T>> ask)
    {
        try
        {
            return await ask();
        }
        catch (MessengerException e)
        {
            LogFailed(action, e.Code, e.Transient, e.Unknown);
            throw;
        }
    }

    [LoggerMessage(Level = LogLevel.Warning, Message = "Twilio did not {Action}: {Code} (transient: {Transient}, unknown: {Unknown}).")]
    private partial void LogFailed(string action, int? code, bool transient, bool unknown);
}
