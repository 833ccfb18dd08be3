using System.Collections.Concurrent;
using System.Diagnostics;
using System.Globalization;
using Guru.Sandbox.Timing;

namespace Guru.Sandbox.Twilio;

/// <summary>WhatsApp between people and the application: what they write, what they get, and the window for it.</summary>
public sealed class TwilioMessaging
{
    private const int MaxBody = 1600;

    private readonly TwilioStandIn _twilio;
    private readonly ConcurrentQueue<int> _undeliverable = [];

    internal TwilioMessaging(TwilioStandIn twilio)
    {
        _twilio = twilio;
        Window = new ServiceWindow(twilio.Clock);
    }

    /// <summary>What people sent, in order.</summary>
    public Journal<WrittenMessage> Written { get; } = new();

    /// <summary>What people got, in order, however it was sent.</summary>
    public Journal<SentMessage> Received { get; } = new();

    /// <summary>Each step of each message that the application sent.</summary>
    public Journal<DeliveryTold> Deliveries { get; } = new();

    public Journal<MessageProblem> Problems { get; } = new();

    public ServiceWindow Window { get; }

    public MediaLibrary Media { get; } = new();

    /// <summary>How deliveries go from now on.</summary>
    public DeliveryPlan Delivery { get; set; } = DeliveryPlan.InOrder;

    /// <summary>The next message is accepted, and its status callback says that it failed.</summary>
    public void FailNextDelivery(int errorCode) => _undeliverable.Enqueue(errorCode);

    internal WrittenMessage Write(InboundMessage message)
    {
        if (InboundFields.BodyOf(message).Length > MaxBody)
        {
            throw new ArgumentException($"Twilio hands on at most {MaxBody} characters of a message.", nameof(message));
        }

        var app = _twilio.AppUrl ?? throw new InvalidOperationException("Say first where the application is: AppUrl.");
        Window.Open(message.From);
        if (message.ButtonText == InboundFields.CallPermission)
        {
            _twilio.Permissions.Set(message.From, message.ButtonPayload == "ACCEPTED");
        }

        if (message.ExternalUserId is { } externalId)
        {
            Window.Open(externalId);
        }

        var content = MessageContent.Of(message);
        var messageSid = message.MessageSid ?? TwilioIds.New(content is null ? "SM" : "MM");
        var media = content is { } bytes
            ? Media.Add(_twilio.BaseUrl, _twilio.Options.AccountSid, messageSid, InboundFields.ContentTypeOf(message), bytes) : null;
        var written = new WrittenMessage(
            message, messageSid, _twilio.Clock.GetUtcNow(), InboundFields.Of(message, messageSid, media, _twilio.Options));
        Written.Add(written);
        var url = new Uri(app, _twilio.Options.MessagePath);
        written.Delivered = Task.Run(() => DeliverAsync(written, url), CancellationToken.None);
        return written;
    }

    /// <summary>The same webhook once more, with the same MessageSid and the same token.</summary>
    internal Task<MessageAnswered> RedeliverAsync(WrittenMessage written) => PostAsync(
        written, new Uri(_twilio.AppUrl!, _twilio.Options.MessagePath));

    /// <summary>Takes over a message that the application sent; it arrives, or fails with a number, once it was answered for.</summary>
    internal async Task SendAsync(SentMessage message, Uri? callback, bool isTemplate, Task answered)
    {
        var plan = Delivery;
        var refused = RefusalOf(message, isTemplate);
        if (refused is null && plan.Arrives)
        {
            Received.Add(message);
        }

        if (!plan.BeforeAnswer)
        {
            // An answer that is lost or late holds up no callback.
            await answered.WaitAsync(TimeSpan.FromSeconds(1), CancellationToken.None).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }

        foreach (var status in refused is null ? plan.Callbacks : ["queued", plan.Refusal])
        {
            var code = status == plan.Refusal ? refused : null;
            message.Status = Rank(status) > Rank(message.Status) ? status : message.Status;
            message.ErrorCode = code ?? message.ErrorCode;
            Deliveries.Add(new DeliveryTold(message, status, code));
            if (callback is not null)
            {
                // Best effort, as with Twilio: nobody looks at the answer.
                using var response = await Webhook.SendAsync(
                    _twilio, callback, HttpMethod.Post, DeliveryFields(message, status, code), Guid.NewGuid().ToString(), voice: false);
            }
        }
    }

    private async Task DeliverAsync(WrittenMessage written, Uri url)
    {
        var deliveries = Enumerable.Range(0, Math.Max(1, written.Message.Deliveries));
        if (written.Message.DeliveriesAtOnce)
        {
            await Task.WhenAll(deliveries.Select(_ => PostAsync(written, url)));
            return;
        }

        foreach (var _ in deliveries)
        {
            await PostAsync(written, url);
        }
    }

    private async Task<MessageAnswered> PostAsync(WrittenMessage written, Uri url)
    {
        var started = Stopwatch.GetTimestamp();
        using var response = await Webhook.SendAsync(
            _twilio, url, HttpMethod.Post, new(written.Parameters, StringComparer.Ordinal), written.IdempotencyToken, voice: false);
        var body = response is null ? "" : await response.Content.ReadAsStringAsync(CancellationToken.None);
        var mediaType = response?.Content.Headers.ContentType?.MediaType;
        var answer = response is null
            ? new MessagingAnswer([], (11205, $"{url}: no answer."))
            : MessagingAnswer.Read((int)response.StatusCode, mediaType, body);
        foreach (var reply in answer.Replies)
        {
            Received.Add(new SentMessage(
                TwilioIds.New("SM"), written.Message.From, _twilio.Options.WhatsAppNumber, reply, _twilio.Clock.GetUtcNow(),
                new Dictionary<string, string>(StringComparer.Ordinal)) { Direction = "outbound-reply", Status = "delivered" });
        }

        var problem = answer.Problem is { } found ? new MessageProblem(written.MessageSid, found.Code, found.Text) : null;
        if (problem is not null)
        {
            Problems.Add(problem);
        }

        var answered = new MessageAnswered(
            (int?)response?.StatusCode ?? 0, mediaType, body, Stopwatch.GetElapsedTime(started), answer.Replies, problem);
        written.Answers.Add(answered);
        return answered;
    }

    private int? RefusalOf(SentMessage message, bool isTemplate)
    {
        if (_undeliverable.TryDequeue(out var arranged))
        {
            return arranged;
        }

        // An id without a number is only valid for who has been in touch.
        var isKnown = message.To.StartsWith("whatsapp:+", StringComparison.Ordinal)
            ? _twilio.Options.HasWhatsApp(message.To) : Window.Knows(message.To);
        return !isKnown ? 63024 : !isTemplate && !Window.IsOpen(message.To) ? 63016 : null;
    }

    private Dictionary<string, string> DeliveryFields(SentMessage message, string status, int? errorCode)
    {
        var person = message.To["whatsapp:".Length..];
        var fields = new Dictionary<string, string>(StringComparer.Ordinal)
        {
            ["AccountSid"] = _twilio.Options.AccountSid,
            ["ApiVersion"] = "2010-04-01",
            ["ChannelInstallSid"] = "XE00000000000000000000000000000006",
            ["ChannelPrefix"] = "whatsapp",
            ["ChannelToAddress"] = person.Length > 4 ? $"{person[..^4]}XXXX" : "XXXX",
            ["From"] = message.From,
            ["MessageSid"] = message.Sid,
            ["MessageStatus"] = status,
            ["SmsSid"] = message.Sid,
            ["SmsStatus"] = status,
            ["StructuredMessage"] = "false",
            ["To"] = message.To,
        };
        if (EventTypeOf(status) is { } type)
        {
            fields["EventType"] = type;
        }

        if (errorCode is { } code)
        {
            fields["ErrorCode"] = code.ToString(CultureInfo.InvariantCulture);
            fields["ErrorMessage"] = fields["ChannelStatusMessage"] = MessageErrors.TextOf(code);
        }

        return fields;
    }

    private static string? EventTypeOf(string status) => status switch
    {
        "delivered" => "DELIVERED",
        "read" => "READ",
        "failed" or "undelivered" => "UNDELIVERED",
        _ => null,
    };

    private static int Rank(string status) => status switch
    {
        "queued" => 0,
        "sending" => 1,
        "sent" => 2,
        "delivered" => 3,
        "read" => 4,
        _ => 5,
    };
}
