using System.Globalization;
using System.Net;
using System.Net.Http.Headers;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Guru.Application.Conversations;
using Guru.Domain.Callers;
using Microsoft.Extensions.Logging;
using Polly;
using Polly.Retry;

namespace Guru.Infrastructure.Twilio;

/// <summary>
/// Twilio over HTTP. Redirects are followed for media alone, step by step: the credentials go to Twilio's API and to nobody else.
/// Reading is repeated a few times; a POST never is, because Twilio takes no idempotency key.
/// </summary>
internal sealed partial class TwilioRest : IDisposable
{
    private const int MostRedirects = 3;
    private const int MostAnswerBytes = 4 * 1024 * 1024;
    private const int MostErrorBytes = 16 * 1024;

    private readonly MessengerOptions _options;
    private readonly TimeProvider _time;
    private readonly ILogger _logger;
    private readonly string _account;
    private readonly AuthenticationHeaderValue _credentials;
    private readonly HttpClient _twilio;
    private readonly HttpClient _elsewhere;
    private readonly ResiliencePipeline _repeating;

    public TwilioRest(TwilioOptions twilio, MessengerOptions options, TimeProvider time, ILogger logger, TwilioHosts? hosts = null)
    {
        _options = options;
        _time = time;
        _logger = logger;
        From = CallerAddress.Parse(twilio.WhatsAppNumber).ToWhatsApp();
        _account = $"/2010-04-01/Accounts/{Uri.EscapeDataString(twilio.AccountSid)}";
        Hosts = hosts ?? new TwilioHosts(twilio.BaseUrl);
        _credentials = Credentials(twilio);
        _twilio = Client(options, checkAddress: false);
        _elsewhere = Client(options, checkAddress: !Hosts.AreLocal);
        _repeating = Repeating(options, time);
    }

    public TwilioHosts Hosts { get; }

    /// <summary>Our sender, as Twilio writes it.</summary>
    public string From { get; }

    /// <param name="resource">Such as Calls.json.</param>
    public Uri OfAccount(string resource) => Hosts.Api($"{_account}/{resource}");

    /// <summary>What of the account's went from our sender to an address, newest first: the path of its first page.</summary>
    /// <inheritdoc cref="OfAccount"/>
    public string SentTo(CallerAddress to, string resource, int pageSize) =>
        $"{_account}/{resource}?To={Uri.EscapeDataString(to.ToWhatsApp())}&From={Uri.EscapeDataString(From)}"
        + $"&PageSize={pageSize.ToString(CultureInfo.InvariantCulture)}";

    /// <exception cref="MessengerException">It is no list.</exception>
    public static IEnumerable<JsonElement> Listed(JsonElement answer, string items) => answer.At(items) is { ValueKind: JsonValueKind.Array } list
        ? list.EnumerateArray()
        : throw new MessengerException(code: null, transient: true, inner: new InvalidDataException($"Not a list of {items}."));

    /// <summary>Something that is asked of Twilio, in one request or several; logged when it is not had.</summary>
    public async Task<T> LoggedAsync<T>(string action, Func<Task<T>> ask)
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

    /// <returns>Undefined where the answer was no JSON.</returns>
    /// <exception cref="MessengerException">It was refused, or nobody knows.</exception>
    public async Task<JsonElement> PostAsync(Uri address, IEnumerable<KeyValuePair<string, string>> form, CancellationToken cancellationToken)
    {
        using var request = Request(HttpMethod.Post, address);
        request.Content = new FormUrlEncodedContent(form);
        return await AskAsync(request, sends: true, cancellationToken);
    }

    /// <inheritdoc cref="PostAsync"/>
    public async Task<JsonElement> PostJsonAsync(Uri address, JsonNode body, CancellationToken cancellationToken)
    {
        using var request = Request(HttpMethod.Post, address);
        request.Content = new StringContent(body.ToJsonString(), Encoding.UTF8, "application/json");
        return await AskAsync(request, sends: true, cancellationToken);
    }

    /// <exception cref="MessengerException">It was refused, or there was no answer.</exception>
    public async Task<JsonElement> GetAsync(Uri address, CancellationToken cancellationToken) =>
        await _repeating.ExecuteAsync(
            async token =>
            {
                using var request = Request(HttpMethod.Get, address);
                return await AskAsync(request, sends: false, token);
            },
            cancellationToken);

    /// <exception cref="MessengerException">It could not be had, or is larger than allowed.</exception>
    public async Task<MessageMedia> DownloadAsync(Uri mediaUrl, long mostBytes, CancellationToken cancellationToken) =>
        Hosts.TryMedia(mediaUrl, out var address)
            ? await _repeating.ExecuteAsync(async token => await FetchAsync(address, mostBytes, token), cancellationToken)
            : throw new MessengerException(code: null, transient: false, inner: new InvalidDataException("Not an address of Twilio's API."));

    public void Dispose()
    {
        _twilio.Dispose();
        _elsewhere.Dispose();
    }

    private Task<JsonElement> AskAsync(HttpRequestMessage request, bool sends, CancellationToken cancellationToken) =>
        LimitedAsync(
            TimeSpan.FromSeconds(_options.RequestTimeoutSeconds),
            sends,
            async token =>
            {
                using var response = await _twilio.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, token);
                await ThrowIfRefusedAsync(response, sends, token);
                return Parse(await ReadAsync(response.Content, MostAnswerBytes, token)
                    ?? throw new InvalidDataException("The answer is longer than any that Twilio gives."));
            },
            cancellationToken);

    /// <summary>Twilio answers with a redirect to a signed address elsewhere, which must not see the credentials.</summary>
    private Task<MessageMedia> FetchAsync(Uri address, long mostBytes, CancellationToken cancellationToken) =>
        LimitedAsync(
            TimeSpan.FromSeconds(_options.DownloadTimeoutSeconds),
            sends: false,
            async token =>
            {
                using var first = Request(HttpMethod.Get, address);
                var response = await _twilio.SendAsync(first, HttpCompletionOption.ResponseHeadersRead, token);
                for (var redirects = 0; redirects < MostRedirects && LocationOf(response, address) is { } next; redirects++)
                {
                    response.Dispose();
                    address = Hosts.MayLeadTo(next) ? next : throw NotAllowed(new PrivateNetworkException());
                    using var request = new HttpRequestMessage(HttpMethod.Get, address);
                    var client = Hosts.IsBase(address) ? _twilio : _elsewhere;
                    response = await client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, token);
                }

                using (response)
                {
                    await ThrowIfRefusedAsync(response, sends: false, token);
                    var content = await ReadAsync(response.Content, mostBytes, token)
                        ?? throw new MessengerException((int)HttpStatusCode.RequestEntityTooLarge, transient: false);
                    var type = response.Content.Headers.ContentType?.MediaType ?? "application/octet-stream";
                    return new MessageMedia(type.ToLowerInvariant(), content);
                }
            },
            cancellationToken);

    /// <summary>Within a time limit of our own; what went wrong on the way is told as the port tells it.</summary>
    private async Task<T> LimitedAsync<T>(TimeSpan atMost, bool sends, Func<CancellationToken, Task<T>> ask, CancellationToken cancellationToken)
    {
        using var limit = new CancellationTokenSource(atMost, _time);
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(limit.Token, cancellationToken);
        try
        {
            return await ask(patience.Token);
        }
        catch (HttpRequestException e) when (e.InnerException is PrivateNetworkException why)
        {
            throw NotAllowed(why);
        }
        catch (Exception e) when (e is HttpRequestException or IOException or InvalidDataException
            || (e is OperationCanceledException && !cancellationToken.IsCancellationRequested))
        {
            throw TwilioRefusals.OfSilence(e, sends);
        }
    }

    private async Task ThrowIfRefusedAsync(HttpResponseMessage response, bool sends, CancellationToken cancellationToken)
    {
        if (response.IsSuccessStatusCode)
        {
            return;
        }

        JsonElement body = default;
        try
        {
            body = Parse(await ReadAsync(response.Content, MostErrorBytes, cancellationToken) ?? []);
        }
        catch (Exception e) when (e is HttpRequestException or IOException or OperationCanceledException)
        {
            // Cut off or late: the status says enough, and a refusal that is known must not count as unknown.
        }

        var retryAfter = response.Headers.NonValidated.TryGetValues("Retry-After", out var header) ? header.ToString() : null;
        throw TwilioRefusals.OfAnswer(response.StatusCode, body, sends, RetryAfter.Of(retryAfter, _time));
    }

    private HttpRequestMessage Request(HttpMethod method, Uri address) => new(method, address) { Headers = { Authorization = _credentials } };

    private static MessengerException NotAllowed(Exception why) => new(code: null, transient: false, inner: why);

    private static Uri? LocationOf(HttpResponseMessage response, Uri from) =>
        (int)response.StatusCode is 301 or 302 or 303 or 307 or 308 && response.Headers.Location is { } location ? new Uri(from, location) : null;

    /// <returns>Null when there is more than allowed, whatever the length that was announced.</returns>
    private static async Task<byte[]?> ReadAsync(HttpContent content, long mostBytes, CancellationToken cancellationToken)
    {
        if (content.Headers.ContentLength > mostBytes)
        {
            return null;
        }

        await using var body = await content.ReadAsStreamAsync(cancellationToken);
        using var read = new MemoryStream();
        var buffer = new byte[16 * 1024];
        while (await body.ReadAsync(buffer, cancellationToken) is > 0 and var count)
        {
            if (read.Length + count > mostBytes)
            {
                return null;
            }

            read.Write(buffer, 0, count);
        }

        return read.ToArray();
    }

    private static JsonElement Parse(byte[] body)
    {
        try
        {
            return JsonElement.Parse(body);
        }
        catch (JsonException)
        {
            return default; // Empty, or the HTML of something in between.
        }
    }

    private static AuthenticationHeaderValue Credentials(TwilioOptions twilio)
    {
        var pair = twilio is { ApiKey: { Length: > 0 } key, ApiSecret: { Length: > 0 } secret }
            ? $"{key}:{secret}"
            : $"{twilio.AccountSid}:{twilio.AuthTokens[0]}";
        return new AuthenticationHeaderValue("Basic", Convert.ToBase64String(Encoding.UTF8.GetBytes(pair)));
    }

    private static HttpClient Client(MessengerOptions options, bool checkAddress)
    {
        var handler = new SocketsHttpHandler
        {
            UseCookies = false,
            AllowAutoRedirect = false,
            ConnectTimeout = TimeSpan.FromSeconds(options.ConnectTimeoutSeconds),

            // A connection that was closed in the meantime is noticed by the request that is then lost: better to open a new one.
            PooledConnectionIdleTimeout = TimeSpan.FromSeconds(20),
            PooledConnectionLifetime = TimeSpan.FromMinutes(5),
            ConnectCallback = checkAddress ? PublicNetwork.ConnectAsync : null,
        };
        return new HttpClient(handler) { Timeout = Timeout.InfiniteTimeSpan };
    }

    private static ResiliencePipeline Repeating(MessengerOptions options, TimeProvider time)
    {
        if (options.Repeats == 0)
        {
            return ResiliencePipeline.Empty;
        }

        var longest = TimeSpan.FromSeconds(options.LongestRepeatDelaySeconds);
        return new ResiliencePipelineBuilder { TimeProvider = time }
            .AddRetry(new RetryStrategyOptions
            {
                ShouldHandle = new PredicateBuilder().Handle<MessengerException>(e => e.Transient && !(e.RetryAfter > longest)),
                MaxRetryAttempts = options.Repeats,
                BackoffType = DelayBackoffType.Exponential,
                UseJitter = true,
                Delay = TimeSpan.FromSeconds(options.RepeatDelaySeconds),
                MaxDelay = longest,
                DelayGenerator = failed => new ValueTask<TimeSpan?>((failed.Outcome.Exception as MessengerException)?.RetryAfter),
            })
            .Build();
    }

    [LoggerMessage(Level = LogLevel.Warning, Message = "Twilio did not {Action}: {Code} (transient: {Transient}, unknown: {Unknown}) after {Milliseconds} ms.")]
    private partial void LogFailed(string action, int? code, bool transient, bool unknown, long milliseconds);
}
