using System.Collections.Concurrent;
using System.Collections.Immutable;
using System.Net;
using System.Runtime.CompilerServices;
using Guru.Sandbox.Hosting;
using Guru.Sandbox.Timing;

namespace Guru.Sandbox.Twilio;

public sealed record TwilioStandInOptions
{
    /// <summary>0: any free one.</summary>
    public int Port { get; init; }

    public string AccountSid { get; init; } = "AC00000000000000000000000000000001";

    public string AuthToken { get; init; } = "invented-token-of-the-sandbox-01";

    /// <summary>REST is also opened by this pair; webhooks are signed with the auth token all the same.</summary>
    public string ApiKey { get; init; } = "SK00000000000000000000000000000009";

    public string ApiSecret { get; init; } = "invented-secret-of-the-sandbox";

    /// <summary>With its scheme.</summary>
    public string WhatsAppNumber { get; init; } = "whatsapp:+15005550006";

    /// <summary>The application's public address: what is signed. May be set later, when it is known.</summary>
    public Uri? AppUrl { get; init; }

    /// <summary>Where the application really listens, when that is not its public address.</summary>
    public Uri? ConnectTo { get; init; }

    public string VoicePath { get; init; } = "/api/whatsapp/voice/webhook";

    /// <summary>Null: no status callback for calls that come in.</summary>
    public string? StatusPath { get; init; } = "/api/whatsapp/voice/status";

    /// <summary>Where messages are delivered.</summary>
    public string MessagePath { get; init; } = "/api/whatsapp/webhook";

    /// <summary>Whether there is a person at a number; messages to others fail with 63024.</summary>
    public Func<string, bool> HasWhatsApp { get; init; } = _ => true;

    /// <summary>Approved templates by their HX sid, with {{1}} for the first variable; any sid is taken when there are none.</summary>
    public ImmutableDictionary<string, string> Templates { get; init; } = ImmutableDictionary<string, string>.Empty;

    /// <summary>Speech of Say and length of Pause, for each real second.</summary>
    public double VerbSpeed { get; init; } = 1;

    /// <summary>Whether calling a person who has not accepted, or has rejected since, is refused with 37000.</summary>
    public bool NeedsCallPermission { get; init; }

    /// <summary>What the called person does when the application calls; nothing given: picks up and is silent.</summary>
    public Func<string, CallOptions>? WhenCalled { get; init; }

    /// <summary>Keep every slice of media in the journals of calls; off for load.</summary>
    public bool JournalMedia { get; init; } = true;
}

/// <summary>Twilio on loopback: WhatsApp calls with their webhooks and Media Streams, messages with their media, and REST for both.</summary>
public sealed class TwilioStandIn : IAsyncDisposable
{
    readonly ConcurrentDictionary<string, PlacedCall> _calls = new(StringComparer.Ordinal);
    readonly CancellationTokenSource _stopping = new();
    WebApplication? _app;

    TwilioStandIn(TwilioStandInOptions options)
    {
        Options = options;
        AppUrl = options.AppUrl;
        Messaging = new TwilioMessaging(this);
        Cdn = new MediaCdn(this);
        Rest = new TwilioRest(this);
    }

    /// <summary>REST base, as in TWILIO_BASE_URL.</summary>
    public Uri BaseUrl { get; private set; } = null!;

    public TwilioStandInOptions Options { get; }

    /// <summary>The application's public address.</summary>
    public Uri? AppUrl { get; set; }

    /// <summary>Where the application really listens; null: at its public address.</summary>
    public Uri? ConnectTo { get; set; }

    /// <summary>Which of the application's nodes gets a request or a stream for its public address; null, and where it says null: <see cref="ConnectTo"/>.</summary>
    public Func<Uri, Uri?>? Balance { get; set; }

    /// <summary>The calls of both directions, in order.</summary>
    public Journal<PlacedCall> Calls { get; } = new();

    public TwilioRest Rest { get; }

    public TwilioMessaging Messaging { get; }

    /// <summary>Who may be called, as WhatsApp has it.</summary>
    public CallPermissions Permissions { get; } = new();

    /// <summary>The contents that the application made.</summary>
    public ContentLibrary Contents { get; } = new();

    /// <summary>The time of day, by which windows close and links expire.</summary>
    public SandboxClock Clock { get; } = new();

    internal MediaCdn Cdn { get; }

    internal CancellationToken Stopping => _stopping.Token;

    internal Pacer Pacer { get; } = new("twilio");

    internal HttpMessageInvoker Http { get; } = new(new SocketsHttpHandler
    {
        AllowAutoRedirect = false,
        UseCookies = false,
        ConnectTimeout = TimeSpan.FromSeconds(5),
        AutomaticDecompression = DecompressionMethods.All,
    });

    public static async Task<TwilioStandIn> StartAsync(TwilioStandInOptions? options = null, CancellationToken cancellationToken = default)
    {
        var standIn = new TwilioStandIn(options ?? new TwilioStandInOptions()) { ConnectTo = options?.ConnectTo };
        await standIn.Cdn.StartAsync(cancellationToken);
        (standIn._app, standIn.BaseUrl) = await LoopbackHost.StartAsync(standIn.Options.Port, standIn.Rest.Map, cancellationToken);
        return standIn;
    }

    /// <summary>Somebody calls the WhatsApp number. The call runs by itself.</summary>
    public PlacedCall PlaceCall(CallOptions? options = null)
    {
        var given = options ?? new CallOptions();
        var app = AppUrl ?? throw new InvalidOperationException("Say first where the application is: AppUrl.");
        return Begin(new PlacedCall(this, given, new CallSetup(
            "inbound", given.From, Options.WhatsAppNumber, new Uri(app, Options.VoicePath), Twiml: null,
            Options.StatusPath is { } status ? new Uri(app, status) : null, ["completed"])));
    }

    /// <summary>Somebody calls the WhatsApp number, and the call is over.</summary>
    public async Task<PlacedCall> PlaceCallAsync(CallOptions? options = null, CancellationToken cancellationToken = default)
    {
        var call = PlaceCall(options);
        await call.Completion.WaitAsync(cancellationToken);
        return call;
    }

    /// <summary>Somebody writes to the WhatsApp number. It is delivered by itself.</summary>
    public WrittenMessage Write(InboundMessage message) => Messaging.Write(message);

    /// <summary>Somebody writes to the WhatsApp number, and the application has answered.</summary>
    public async Task<WrittenMessage> WriteAsync(InboundMessage message, CancellationToken cancellationToken = default)
    {
        var written = Write(message);
        await written.Delivered.WaitAsync(cancellationToken);
        return written;
    }

    /// <summary>Several messages with no pause: each is delivered as soon as the one before was answered.</summary>
    public async Task<IReadOnlyList<WrittenMessage>> WriteBurstAsync(
        IEnumerable<InboundMessage> messages, CancellationToken cancellationToken = default)
    {
        var written = new List<WrittenMessage>();
        foreach (var message in messages)
        {
            written.Add(await WriteAsync(message, cancellationToken));
        }

        return written;
    }

    /// <summary>The webhook of a message is delivered once more, with the same MessageSid and the same token.</summary>
    public Task<MessageAnswered> RedeliverAsync(WrittenMessage written) => Messaging.RedeliverAsync(written);

    /// <summary>The first message that a person got and that is wanted, be it past or future.</summary>
    /// <param name="to">With its scheme.</param>
    /// <exception cref="TimeoutException">It did not come in time (30 s unless told otherwise).</exception>
    public Task<SentMessage> WaitForMessageAsync(
        string to, Func<SentMessage, bool>? wanted = null, TimeSpan? atMost = null, CancellationToken cancellationToken = default,
        [CallerArgumentExpression(nameof(wanted))] string? what = null) =>
        Messaging.Received.WaitAsync(message => message.To == to && (wanted?.Invoke(message) ?? true), atMost, cancellationToken, $"To {to} {what}".Trim());

    public PlacedCall? FindCall(string callSid) => _calls.GetValueOrDefault(callSid);

    /// <summary>Lets go of a call that is over, with all that was said in it: for runs that are too long for everything to be kept.</summary>
    public void Forget(PlacedCall call)
    {
        Calls.Forget(call);
        _calls.TryRemove(call.CallSid, out _);
        call.Dispose();
    }

    public async ValueTask DisposeAsync()
    {
        await _stopping.CancelAsync();
        foreach (var call in _calls.Values)
        {
            call.HangUp();
        }

        await Task.WhenAll(_calls.Values.Select(call => call.Completion)).WaitAsync(TimeSpan.FromSeconds(5), CancellationToken.None)
            .ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        await Task.WhenAll(Messaging.Written.Entries.Select(written => written.Delivered)).WaitAsync(TimeSpan.FromSeconds(5), CancellationToken.None)
            .ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        await _app!.StopAsync(CancellationToken.None);
        await _app.DisposeAsync();
        await Cdn.DisposeAsync();
        Pacer.Dispose();
        foreach (var call in _calls.Values.Where(call => call.Completion.IsCompleted))
        {
            call.Dispose();
        }

        Http.Dispose();
        _stopping.Dispose();
    }

    internal PlacedCall Begin(PlacedCall call)
    {
        _calls[call.CallSid] = call;
        if (call.Direction == "inbound")
        {
            // Whether it is taken or not.
            Messaging.Window.Open(call.From);
        }

        Calls.Add(call);
        call.Begin(_stopping.Token);
        return call;
    }

    /// <summary>A webhook, signed, with the headers that Twilio's have.</summary>
    internal HttpRequestMessage Signed(
        Uri url, HttpMethod method, Dictionary<string, string> parameters, string idempotencyToken, bool voice)
    {
        var post = method == HttpMethod.Post;
        var (address, host) = Route(url);
        var request = new HttpRequestMessage(method, address) { Content = post ? new FormUrlEncodedContent(parameters) : null };
        request.Headers.Host = host;
        request.Headers.TryAddWithoutValidation("User-Agent", "TwilioProxy/1.1");
        request.Headers.TryAddWithoutValidation("Accept", "*/*");
        request.Headers.TryAddWithoutValidation("I-Twilio-Idempotency-Token", idempotencyToken);
        request.Headers.TryAddWithoutValidation("X-Home-Region", "us1");
        request.Headers.TryAddWithoutValidation(
            "X-Twilio-Signature",
            TwilioSignature.Of(TwilioSignature.SignedUrl(url, voice), post ? parameters : [], Options.AuthToken));
        if (post)
        {
            request.Content!.Headers.ContentType = new("application/x-www-form-urlencoded") { CharSet = "UTF-8" };
        }

        return request;
    }

    /// <summary>The address to connect to for one that is public, and the Host to name there.</summary>
    internal (Uri Address, string? Host) Route(Uri url)
    {
        if (AppUrl is not { } app || url.Host != app.Host || (Balance?.Invoke(url) ?? ConnectTo) is not { } real)
        {
            return (url, null);
        }

        var socket = url.Scheme is "ws" or "wss";
        var scheme = (socket, real.Scheme) switch { (true, "https") => "wss", (true, _) => "ws", (_, var other) => other };
        return (new UriBuilder(url) { Scheme = scheme, Host = real.Host, Port = real.Port }.Uri, url.Authority);
    }
}
