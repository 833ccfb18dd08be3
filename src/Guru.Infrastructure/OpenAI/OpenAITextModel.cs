using System.ClientModel;
using System.ClientModel.Primitives;
using System.Net.Http.Headers;
using System.Text;
using System.Text.Json;
using Guru.Application.Conversations;
using Guru.Domain.Calls;
using Microsoft.Extensions.Logging;
using OpenAI;
using OpenAI.Audio;
using OpenAI.Responses;

namespace Guru.Infrastructure.OpenAI;

/// <summary>
/// The Responses API and transcription, each asked once: the work queue tries again. Requests go out through the OpenAI library;
/// answers are read here, because its typed readers throw on values they do not know, and do not know the languages of a transcript.
/// </summary>
internal sealed partial class OpenAITextModel : ITextModel, IDisposable
{
    private const int MostAudioBytes = 25 * 1024 * 1024;

    private readonly TextModelSettings _settings;
    private readonly TimeProvider _time;
    private readonly ILogger<OpenAITextModel> _logger;
    private readonly HttpClient _http;
    private readonly ResponsesClient _responses;
    private readonly AudioClient _audio;

    public OpenAITextModel(OpenAIOptions options, TextModelSettings settings, TimeProvider time, ILogger<OpenAITextModel> logger)
    {
        _settings = settings;
        _time = time;
        _logger = logger;
        _http = new HttpClient(new SocketsHttpHandler
        {
            UseCookies = false,
            AllowAutoRedirect = false,
            ConnectTimeout = TimeSpan.FromSeconds(settings.ConnectTimeoutSeconds),
            PooledConnectionLifetime = TimeSpan.FromMinutes(5),
        })
        {
            Timeout = Timeout.InfiniteTimeSpan,
        };
        var key = new ApiKeyCredential(options.ApiKey);
        _responses = new ResponsesClient(key, Client(new ResponsesClientOptions { Endpoint = options.BaseUrl }));
        _audio = new AudioClient(settings.TranscriptionModel, key, Client(new OpenAIClientOptions { Endpoint = options.BaseUrl }));
    }

    public async Task<TextAnswer> AnswerAsync(TextRequest request, CancellationToken cancellationToken)
    {
        var answer = await AskAsync(
            request.Purpose,
            TimeSpan.FromSeconds(_settings.TimeoutSeconds),
            async options =>
            {
                using var body = BinaryContent.Create(OptionsOf(request));
                return await _responses.CreateResponseAsync(body, options);
            },
            response => TextModelAnswers.ReadResponse(response, _settings.Model),
            cancellationToken);
        Count(request.Purpose, answer.InputTokens, answer.CachedTokens, answer.OutputTokens);
        return answer;
    }

    public async Task<TranscribedNote> TranscribeAsync(ReadOnlyMemory<byte> audio, string contentType, CancellationToken cancellationToken)
    {
        const string Purpose = "voiceNote";
        if (AudioFile.ExtensionOf(contentType) is not { } extension)
        {
            throw new TextModelException("unsupported_audio", transient: false);
        }

        if (audio.Length > MostAudioBytes)
        {
            throw new TextModelException("audio_too_large", transient: false);
        }

        var note = await AskAsync(
            Purpose,
            TimeSpan.FromSeconds(_settings.TranscriptionTimeoutSeconds),
            async options =>
            {
                using var form = FormOf(audio, contentType, extension);
                using var body = BinaryContent.Create(await form.ReadAsStreamAsync(options.CancellationToken));
                return await _audio.TranscribeAudioAsync(body, form.Headers.ContentType!.ToString(), options);
            },
            answer => TextModelAnswers.ReadTranscript(answer, _settings.TranscriptionModel),
            cancellationToken);
        Count(Purpose, note.InputTokens, cached: 0, note.OutputTokens);
        return note;
    }

    public void Dispose() => _http.Dispose();

    /// <summary>One request within a time limit, measured and, when it failed, logged; what goes wrong is told as the port tells it.</summary>
    private async Task<T> AskAsync<T>(
        string purpose, TimeSpan atMost, Func<RequestOptions, Task<ClientResult>> ask, Func<JsonElement, T> read, CancellationToken cancellationToken)
    {
        var started = _time.GetTimestamp();
        string? requestId = null;
        try
        {
            using var limit = new CancellationTokenSource(atMost, _time);
            using var patience = CancellationTokenSource.CreateLinkedTokenSource(limit.Token, cancellationToken);
            using var response = await ExchangeAsync(ask, patience.Token, cancellationToken);
            requestId = HeaderOf(response, "x-request-id");
            var answer = Read(
                body => response.IsError ? throw TextModelAnswers.OfRefusal(response.Status, body, RetryAfter.Of(HeaderOf(response, "Retry-After"), _time)) : read(body),
                Parse(response.Content));
            Measure(purpose, "completed", started);
            return answer;
        }
        catch (TextModelException e)
        {
            Measure(purpose, e.Reason, started);
            LogFailed(purpose, e.Reason, e.Transient, requestId, (long)_time.GetElapsedTime(started).TotalMilliseconds);
            throw;
        }
    }

    private static async Task<PipelineResponse> ExchangeAsync(
        Func<RequestOptions, Task<ClientResult>> ask, CancellationToken patience, CancellationToken cancellationToken)
    {
        try
        {
            // The library's exception would carry the model's message, which may quote the request, into the log.
            var result = await ask(new RequestOptions { ErrorOptions = ClientErrorBehaviors.NoThrow, CancellationToken = patience });
            return result.GetRawResponse();
        }
        catch (OperationCanceledException e) when (!cancellationToken.IsCancellationRequested)
        {
            throw new TextModelException("timeout", transient: true, inner: e);
        }
        catch (Exception e) when (e is ClientResultException or HttpRequestException or IOException)
        {
            throw new TextModelException("unreachable", transient: true, inner: e);
        }
    }

    private CreateResponseOptions OptionsOf(TextRequest request)
    {
        var input = request.Input.Select(turn => turn.Speaker == Speaker.Caller
            ? (ResponseItem)ResponseItem.CreateUserMessageItem(turn.Text)
            : ResponseItem.CreateAssistantMessageItem(turn.Text));
        return new CreateResponseOptions(_settings.Model, [.. input])
        {
            Instructions = request.Instructions,
            MaxOutputTokenCount = request.MaxOutputTokens,
            StoredOutputEnabled = false,
            SafetyIdentifier = request.SafetyIdentifier,
            PromptCacheKey = $"guru-{request.Purpose}",
            ReasoningOptions = new ResponseReasoningOptions { ReasoningEffortLevel = _settings.ReasoningEffort },
            TextOptions = request.Schema is { } schema
                ? new ResponseTextOptions
                {
                    TextFormat = ResponseTextFormat.CreateJsonSchemaFormat(request.Purpose, BinaryData.FromString(schema), jsonSchemaIsStrict: true),
                }
                : null,
        };
    }

    /// <summary>Made by hand: the library sends a file without its content type.</summary>
    private MultipartFormDataContent FormOf(ReadOnlyMemory<byte> audio, string contentType, string extension)
    {
        var file = new ReadOnlyMemoryContent(audio);
        file.Headers.ContentType = new MediaTypeHeaderValue(AudioFile.TypeOf(contentType));
        return new MultipartFormDataContent
        {
            Part(file, "file", $"voice.{extension}"),
            Part(new ByteArrayContent(Encoding.UTF8.GetBytes(_settings.TranscriptionModel)), "model"),
            Part(new ByteArrayContent("json"u8.ToArray()), "response_format"),
        };
    }

    /// <summary>Names in quotes, and the file's name once: what HttpContent writes by itself is not read by every server.</summary>
    private static HttpContent Part(HttpContent content, string name, string? fileName = null)
    {
        content.Headers.ContentDisposition = new ContentDispositionHeaderValue("form-data")
        {
            Name = $"\"{name}\"",
            FileName = fileName is null ? null : $"\"{fileName}\"",
        };
        return content;
    }

    /// <summary>One transport for both clients; time limits are ours, and repeating is the work queue's.</summary>
    private T Client<T>(T options)
        where T : ClientPipelineOptions
    {
        options.Transport = new HttpClientPipelineTransport(_http);
        options.RetryPolicy = new ClientRetryPolicy(maxRetries: 0);
        options.NetworkTimeout = Timeout.InfiniteTimeSpan;
        return options;
    }

    private static string? HeaderOf(PipelineResponse response, string name) => response.Headers.TryGetValue(name, out var value) ? value : null;

    private static T Read<T>(Func<JsonElement, T> read, JsonElement body)
    {
        try
        {
            return read(body);
        }
        catch (InvalidOperationException)
        {
            throw TextModelAnswers.Malformed(); // A text with half a surrogate pair, which models do write, is none.
        }
    }

    private static JsonElement Parse(BinaryData body)
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

    private static void Count(string purpose, int input, int cached, int output)
    {
        var named = new KeyValuePair<string, object?>("purpose", purpose);
        WireMetrics.TextTokens.Add(input, named, new("kind", "input"));
        WireMetrics.TextTokens.Add(cached, named, new("kind", "cached"));
        WireMetrics.TextTokens.Add(output, named, new("kind", "output"));
    }

    private void Measure(string purpose, string outcome, long started) =>
        WireMetrics.TextAnswer.Record(_time.GetElapsedTime(started).TotalSeconds, new("purpose", purpose), new("outcome", outcome));

    [LoggerMessage(Level = LogLevel.Warning, Message = "The text model gave no {Purpose}: {Code} (transient: {Transient}, request {RequestId}) after {Milliseconds} ms.")]
    private partial void LogFailed(string purpose, string code, bool transient, string? requestId, long milliseconds);
}
