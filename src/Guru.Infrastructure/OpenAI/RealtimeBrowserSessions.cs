using System.Net.Http.Headers;
using System.Text;
using System.Text.Json;
using Guru.Application.Voice;
using Guru.Application.VoiceSessions;
using Guru.Domain.Calls;
using Microsoft.Extensions.Logging;

namespace Guru.Infrastructure.OpenAI;

/// <summary>
/// Browser sessions of OpenAI's Realtime API over REST. Each request is made once: somebody waits in front of a screen, and can try again.
/// Of a refusal only the code is told, since the vendor's message may quote the request, or the key.
/// </summary>
internal sealed partial class RealtimeBrowserSessions : IBrowserSessions, IDisposable
{
    private const int MaxAnswerBytes = 256 * 1024;

    /// <summary>The vendor's lower limits apart, a secret is used at once or not at all.</summary>
    private const int SecretSeconds = 600;

    private readonly OpenAIOptions _options;
    private readonly RealtimeDialer _sideband;
    private readonly TimeProvider _time;
    private readonly ILogger<RealtimeBrowserSessions> _logger;
    private readonly HttpClient _http;

    /// <param name="sideband">Attends the calls.</param>
    public RealtimeBrowserSessions(OpenAIOptions options, RealtimeDialer sideband, TimeProvider time, ILogger<RealtimeBrowserSessions> logger)
    {
        (_options, _sideband, _time, _logger) = (options, sideband, time, logger);
        _http = new HttpClient(new SocketsHttpHandler
        {
            UseCookies = false,
            AllowAutoRedirect = false,
            ConnectTimeout = options.ConnectTimeout,
            PooledConnectionLifetime = TimeSpan.FromMinutes(5),
        })
        {
            Timeout = Timeout.InfiniteTimeSpan,
            MaxResponseContentBufferSize = MaxAnswerBytes,
        };
    }

    public async Task<ClientSecret> IssueSecretAsync(VoiceConfiguration configuration, string safetyIdentifier, CancellationToken cancellationToken)
    {
        using var body = new ByteArrayContent(SecretRequest(configuration));
        body.Headers.ContentType = new MediaTypeHeaderValue("application/json");
        using var answer = await PostAsync("realtime/client_secrets", body, safetyIdentifier, cancellationToken);
        return ReadSecret(await answer.Content.ReadAsByteArrayAsync(cancellationToken), configuration.Model);
    }

    public async Task<AnsweredOffer> CallAsync(
        VoiceConfiguration configuration, string offer, string safetyIdentifier, CancellationToken cancellationToken)
    {
        using var body = new MultipartFormDataContent
        {
            Part(Encoding.UTF8.GetBytes(offer), "sdp", "application/sdp"),
            Part(RealtimeWriter.BrowserSession(configuration), "session", "application/json"),
        };
        try
        {
            using var answer = await PostAsync("realtime/calls", body, safetyIdentifier, cancellationToken);
            return CallSid.TryParse(answer.Headers.Location?.OriginalString.Split('/')[^1], out var callSid)
                ? new AnsweredOffer(callSid, await answer.Content.ReadAsStringAsync(cancellationToken))
                : throw new VoiceModelException("malformed", transient: true);
        }
        catch (VoiceModelException e) when (e is { Status: 400, Code: not "invalid_api_key" } && !RealtimeRefusals.IsOfSession(e.Code))
        {
            throw new VoiceModelException(VoiceModelException.InvalidOffer, transient: false, e);
        }
    }

    public Task<IVoiceModel> AttendAsync(CallSid callSid, CancellationToken cancellationToken) => _sideband.AttendAsync(callSid, cancellationToken);

    public async Task HangUpAsync(CallSid callSid, CancellationToken cancellationToken)
    {
        try
        {
            (await PostAsync($"realtime/calls/{callSid}/hangup", body: null, safetyIdentifier: null, cancellationToken)).Dispose();
        }
        catch (VoiceModelException e) when (e.Status is 404 or 410)
        {
            // It is over already.
        }
    }

    public void Dispose() => _http.Dispose();

    private static ByteArrayContent Part(byte[] bytes, string name, string type)
    {
        var part = new ByteArrayContent(bytes);
        part.Headers.ContentType = new MediaTypeHeaderValue(type);
        part.Headers.ContentDisposition = new ContentDispositionHeaderValue("form-data") { Name = $"\"{name}\"" };
        return part;
    }

    private static byte[] SecretRequest(VoiceConfiguration configuration)
    {
        using var output = new MemoryStream();
        using (var json = new Utf8JsonWriter(output))
        {
            json.WriteStartObject();
            json.WriteStartObject("expires_after"u8);
            json.WriteString("anchor"u8, "created_at"u8);
            json.WriteNumber("seconds"u8, SecretSeconds);
            json.WriteEndObject();
            json.WritePropertyName("session"u8);
            json.WriteRawValue(RealtimeWriter.BrowserSession(configuration));
            json.WriteEndObject();
        }

        return output.ToArray();
    }

    private ClientSecret ReadSecret(byte[] answer, string model)
    {
        try
        {
            using var document = JsonDocument.Parse(answer);
            var root = document.RootElement;
            var expires = root.Whole("expires_at");
            return new ClientSecret(
                root.Id("value"),
                root.At("session").Text("id") ?? "",
                root.At("session").Text("model") ?? model,
                expires > 0 ? DateTimeOffset.FromUnixTimeSeconds(expires) : _time.GetUtcNow() + TimeSpan.FromSeconds(SecretSeconds));
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException or ArgumentOutOfRangeException)
        {
            throw new VoiceModelException("malformed", transient: true, e);
        }
    }

    /// <returns>A success, whose body has been read.</returns>
    private async Task<HttpResponseMessage> PostAsync(
        string path, HttpContent? body, string? safetyIdentifier, CancellationToken cancellationToken)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, new Uri($"{_options.BaseUrl.AbsoluteUri.TrimEnd('/')}/{path}")) { Content = body };
        request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", _options.ApiKey);
        if (safetyIdentifier is not null)
        {
            request.Headers.Add("OpenAI-Safety-Identifier", safetyIdentifier);
        }

        using var limit = new CancellationTokenSource(_options.ConfigureTimeout, _time);
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(limit.Token, cancellationToken);
        try
        {
            var answer = await _http.SendAsync(request, HttpCompletionOption.ResponseContentRead, patience.Token);
            if (answer.IsSuccessStatusCode)
            {
                return answer;
            }

            using (answer)
            {
                throw Refusal(answer, await answer.Content.ReadAsByteArrayAsync(patience.Token));
            }
        }
        catch (OperationCanceledException e) when (!cancellationToken.IsCancellationRequested)
        {
            throw new VoiceModelException("timeout", transient: true, e);
        }
        catch (HttpRequestException e)
        {
            throw new VoiceModelException("unreachable", transient: true, e);
        }
    }

    private VoiceModelException Refusal(HttpResponseMessage answer, byte[] body)
    {
        var (type, code) = RealtimeRefusals.ReadError(body);
        var refusal = RealtimeRefusals.OfStatus(answer.StatusCode, type, code);
        var requestId = answer.Headers.TryGetValues("x-request-id", out var ids) ? ids.First() : null;
        LogRefused(answer.RequestMessage!.RequestUri!.Segments[^1], (int)answer.StatusCode, refusal.Code, requestId);
        return refusal;
    }

    [LoggerMessage(Level = LogLevel.Warning, Message = "OpenAI refused {Request} with {Status} {Code} ({RequestId})")]
    private partial void LogRefused(string request, int status, string code, string? requestId);
}
