using System.Text.Json;
using Guru.Application.Conversations;
using Guru.Domain.Callers;
using Microsoft.Extensions.Logging;

namespace Guru.Infrastructure.Twilio;

/// <summary>
/// WhatsApp messages over Twilio's REST API. When the caller's token is cancelled while a message is on its way, it may have been
/// sent, just as when the answer is lost.
/// </summary>
internal sealed class TwilioMessenger(TwilioOptions twilio, MessengerOptions options, TimeProvider time, ILogger<TwilioMessenger> logger)
    : IMessenger, IDisposable
{
    private const int PageSize = 50;
    private const string Messages = "Messages.json";

    /// <summary>A thousand messages to one person; whoever looks for one sent lately is done on the first page.</summary>
    private const int MostPages = 20;

    private readonly TwilioRest _rest = new(twilio, options, time, logger);

    public Task<SentMessage> SendAsync(OutgoingMessage message, CancellationToken cancellationToken) => _rest.LoggedAsync(
        "send",
        async () =>
        {
            var form = new List<KeyValuePair<string, string>>
            {
                new("From", _rest.From),
                new("To", message.To.ToWhatsApp()),
            };
            form.AddRange(message.Template is { } template ? Parameters(template) : [new("Body", message.Body)]);
            if (message.StatusCallback is { } callback)
            {
                form.Add(new("StatusCallback", callback.AbsoluteUri));
            }

            return Read(await _rest.PostAsync(_rest.OfAccount(Messages), form, cancellationToken)) ?? throw TwilioRefusals.OfNoSid();
        });

    public Task ShowTypingAsync(string messageSid, CancellationToken cancellationToken) => _rest.LoggedAsync(
        "typing",
        () => _rest.PostAsync(
            _rest.Hosts.Messaging("/v2/Indicators/Typing.json"),
            [new("channel", "whatsapp"), new("messageId", messageSid)],
            cancellationToken));

    public Task<IReadOnlyList<SentMessage>> FindSentAsync(CallerAddress to, DateTimeOffset since, CancellationToken cancellationToken) => _rest.LoggedAsync(
        "find",
        async () =>
        {
            // Not filtered by DateSent: a message that still waits in Twilio's queue has none. Twilio's times have whole seconds.
            var oldest = DateTimeOffset.FromUnixTimeSeconds(since.ToUnixTimeSeconds());
            string? next = _rest.SentTo(to, Messages, PageSize);
            var found = new List<SentMessage>();
            for (var page = 0; next is not null; page++)
            {
                // A list cut short would look as if the rest had never been sent.
                if (page == MostPages || !next.StartsWith('/'))
                {
                    throw new MessengerException(code: null, transient: false, inner: new InvalidDataException("The list does not end."));
                }

                var answer = await _rest.GetAsync(_rest.Hosts.Api(next), cancellationToken);
                var read = TwilioRest.Listed(answer, "messages").Select(Read).OfType<SentMessage>().ToList();
                found.AddRange(read.Where(message => !(message.CreatedAt < oldest)));
                next = read.Exists(message => message.CreatedAt < oldest) ? null : answer.Text("next_page_uri");
            }

            return (IReadOnlyList<SentMessage>)found;
        });

    public Task<MessageMedia> DownloadAsync(Uri mediaUrl, long mostBytes, CancellationToken cancellationToken) =>
        _rest.LoggedAsync("download", () => _rest.DownloadAsync(mediaUrl, mostBytes, cancellationToken));

    public void Dispose() => _rest.Dispose();

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
            message.Moment("date_created"))
        : null;
}
