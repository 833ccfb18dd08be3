using System.Globalization;
using System.Text.Json;
using Guru.Application.Conversations;
using Guru.Domain.Callers;
using Microsoft.Extensions.Logging;

namespace Guru.Infrastructure.Twilio;

/// <summary>
/// WhatsApp messages over Twilio's REST API. When the caller's token is cancelled while a message is on its way, it may have been
/// sent, just as when the answer is lost.
/// </summary>
public sealed partial class TwilioMessenger : IMessenger, IDisposable
{
    private const int PageSize = 50;

    /// <summary>A thousand messages to one person; whoever looks for one sent lately is done on the first page.</summary>
    private const int MostPages = 20;

    private readonly TwilioRest _rest;
    private readonly TimeProvider _time;
    private readonly ILogger<TwilioMessenger> _logger;
    private readonly string _from;
    private readonly string _messages;

    public TwilioMessenger(TwilioOptions twilio, MessengerOptions options, TimeProvider time, ILogger<TwilioMessenger> logger)
    {
        _rest = new TwilioRest(twilio, options, time);
        _time = time;
        _logger = logger;
        _from = CallerAddress.Parse(twilio.WhatsAppNumber).ToWhatsApp();
        _messages = $"/2010-04-01/Accounts/{Uri.EscapeDataString(twilio.AccountSid)}/Messages.json";
    }

    public Task<SentMessage> SendAsync(OutgoingMessage message, CancellationToken cancellationToken) => LoggedAsync(
        "send",
        async () =>
        {
            var form = new List<KeyValuePair<string, string>>
            {
                new("From", _from),
                new("To", message.To.ToWhatsApp()),
            };
            form.AddRange(message.Template is { } template ? Parameters(template) : [new("Body", message.Body)]);
            if (message.StatusCallback is { } callback)
            {
                form.Add(new("StatusCallback", callback.AbsoluteUri));
            }

            // Accepted, but under which sid cannot be read: it has most likely been sent.
            return Read(await _rest.PostAsync(_rest.Hosts.Api(_messages), form, cancellationToken))
                ?? throw new MessengerException(code: null, transient: true, unknown: true);
        });

    public Task ShowTypingAsync(string messageSid, CancellationToken cancellationToken) => LoggedAsync(
        "typing",
        () => _rest.PostAsync(
            _rest.Hosts.Messaging("/v2/Indicators/Typing.json"),
            [new("channel", "whatsapp"), new("messageId", messageSid)],
            cancellationToken));

    public Task<IReadOnlyList<SentMessage>> FindSentAsync(CallerAddress to, DateTimeOffset since, CancellationToken cancellationToken) => LoggedAsync(
        "find",
        async () =>
        {
            // Not filtered by DateSent: a message that still waits in Twilio's queue has none. Twilio's times have whole seconds.
            var oldest = DateTimeOffset.FromUnixTimeSeconds(since.ToUnixTimeSeconds());
            string? next = $"{_messages}?To={Uri.EscapeDataString(to.ToWhatsApp())}&From={Uri.EscapeDataString(_from)}"
                + $"&PageSize={PageSize.ToString(CultureInfo.InvariantCulture)}";
            var found = new List<SentMessage>();
            for (var page = 0; next is not null; page++)
            {
                // A list cut short would look as if the rest had never been sent.
                if (page == MostPages || !next.StartsWith('/'))
                {
                    throw new MessengerException(code: null, transient: false, inner: new InvalidDataException("The list does not end."));
                }

                var answer = await _rest.GetAsync(_rest.Hosts.Api(next), cancellationToken);
                if (answer.At("messages") is not { ValueKind: JsonValueKind.Array } messages)
                {
                    throw new MessengerException(code: null, transient: true, inner: new InvalidDataException("Not a list of messages."));
                }

                var read = messages.EnumerateArray().Select(Read).OfType<SentMessage>().ToList();
                found.AddRange(read.Where(message => !(message.CreatedAt < oldest)));
                next = read.Exists(message => message.CreatedAt < oldest) ? null : answer.Text("next_page_uri");
            }

            return (IReadOnlyList<SentMessage>)found;
        });

    public Task<MessageMedia> DownloadAsync(Uri mediaUrl, long mostBytes, CancellationToken cancellationToken) =>
        LoggedAsync("download", () => _rest.DownloadAsync(mediaUrl, mostBytes, cancellationToken));

    public void Dispose() => _rest.Dispose();

    private async Task<T> LoggedAsync<T>(string action, Func<Task<T>> ask)
    {
        var started = _time.GetTimestamp();
        try
        {
            return await ask();
        }
        catch (MessengerException e)
        {
            LogFailed(action, e.Code, e.Transient, e.Unknown, (long)_time.GetElapsedTime(started).TotalMilliseconds);
            throw;
        }
    }

    private static IEnumerable<KeyValuePair<string, string>> Parameters(MessageTemplate template)
    {
        yield return new("ContentSid", template.ContentSid);
        if (template.Variables is { } variables)
        {
            yield return new("ContentVariables", variables);
        }
    }

    /// <returns>Null for what is no message.</returns>
    private static SentMessage? Read(JsonElement message) => message.Text("sid") is { Length: > 0 } sid
        ? new SentMessage(
            sid,
            message.Text("body") ?? "",
            message.Text("status") ?? "",
            message.Has("error_code") ? message.Count("error_code") : null,
            DateTimeOffset.TryParse(message.Text("date_created"), CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out var at) ? at : null)
        : null;

    [LoggerMessage(Level = LogLevel.Warning, Message = "Twilio did not {Action}: {Code} (transient: {Transient}, unknown: {Unknown}) after {Milliseconds} ms.")]
    private partial void LogFailed(string action, int? code, bool transient, bool unknown, long milliseconds);
}
