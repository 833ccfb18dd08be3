using System.Net;
using System.Text.Json;
using Guru.Application.Voice;
using Guru.Infrastructure.Sockets;

namespace Guru.Infrastructure.OpenAI;

/// <summary>Which refusals may go away by trying again. Wrong requests, keys and models do not, and neither does a lack of money.</summary>
internal static class RealtimeRefusals
{
    private const int MaxErrorBytes = 16 * 1024;

    /// <summary>Whatever is asked, it is refused.</summary>
    private static readonly HashSet<string> OfAll = new(StringComparer.Ordinal)
    {
        "insufficient_quota", "billing_hard_limit_reached", "billing_not_active", "account_deactivated",
        "credit_balance_exhausted", "organization_spend_limit_exceeded", "project_spend_limit_exceeded", "organization_usage_limit_exceeded",
        "invalid_api_key", "model_not_found", "beta_api_shape_disabled",
    };

    /// <summary>What was asked is at fault.</summary>
    private static readonly HashSet<string> OfOne = new(StringComparer.Ordinal) { "missing_model", "unknown_parameter", "missing_required_parameter" };

    private static readonly HashSet<string> Passing = new(StringComparer.Ordinal) { "server_error", "rate_limit_exceeded", "session_expired" };

    /// <summary>An answer that is not an upgrade. A 429 may be about speed or about money: its body tells.</summary>
    public static async Task<VoiceModelException> OfAsync(HttpResponseMessage answer, TimeProvider time, CancellationToken cancellationToken)
    {
        var (type, code) = await ReadErrorAsync(answer.Content, cancellationToken);
        return OfStatus(answer.StatusCode, type, code, RetryAfter.Of(answer.Headers.RetryAfter?.ToString(), time));
    }

    /// <param name="errorType">From the body of the answer, where there was one, like the code.</param>
    public static VoiceModelException OfStatus(HttpStatusCode status, string? errorType, string? errorCode, TimeSpan? retryAfter = null)
    {
        var code = errorCode ?? errorType ?? ((int)status).ToString(System.Globalization.CultureInfo.InvariantCulture);
        var transient = status is HttpStatusCode.RequestTimeout or HttpStatusCode.TooManyRequests || (int)status >= 500;
        return new VoiceModelException(code, transient && !IsLasting(code) && !IsListed(errorType)) { Status = (int)status, RetryAfter = retryAfter };
    }

    /// <summary>The error object of an answer; empty, HTML or cut off, the status says enough.</summary>
    public static (string? Type, string? Code) ReadError(ReadOnlyMemory<byte> body)
    {
        try
        {
            using var document = JsonDocument.Parse(body);
            var error = document.RootElement.At("error");
            return (error.Text("type"), error.Text("code"));
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            return default;
        }
    }

    public static VoiceModelException OfError(string? type, string? code)
    {
        var name = code ?? type ?? "error";
        return new VoiceModelException(name, !IsListed(type) && (Passing.Contains(name) || (!IsLasting(name) && !IsLasting(type))));
    }

    /// <summary>A close instead of a session. Its reason is <c>type.code</c> when the request was at fault, or a sentence.</summary>
    public static VoiceModelException OfClose(SocketEnding ending)
    {
        string[] parts = ending.CloseReason is { Length: > 0 } reason && !reason.Contains(' ', StringComparison.Ordinal)
            ? reason.Split('.')
            : [ending.CloseCode is { } number ? $"closed_{number}" : "connection_lost"];
        return new VoiceModelException(parts[^1], ending.CloseCode is not (3000 or 4000 or 1008) && !IsLasting(parts[^1]) && !parts.Any(IsListed));
    }

    public static bool IsLasting(string? code) =>
        IsListed(code) || code?.StartsWith("invalid_", StringComparison.Ordinal) == true;

    /// <summary>Of an error in a session: the next thing asked of it, or of another, is refused as well.</summary>
    public static bool IsOfAll(JsonElement error) => IsOfAll(error.Text("code")) || IsOfAll(error.Text("type"));

    /// <summary>It is the session's configuration that is at fault, and not what came with it.</summary>
    public static bool IsOfSession(string code) => code is "unknown_parameter" or "missing_required_parameter" or "invalid_value" or "model_not_found" or "missing_model";

    /// <summary>Asked of the type as well as of the code: a lack of money has many codes, and new ones come.</summary>
    private static bool IsListed(string? name) => IsOfAll(name) || (name is not null && OfOne.Contains(name));

    private static bool IsOfAll(string? name) => name is not null && OfAll.Contains(name);

    private static async Task<(string? Type, string? Code)> ReadErrorAsync(HttpContent content, CancellationToken cancellationToken)
    {
        var bytes = new byte[MaxErrorBytes];
        try
        {
            await using var body = await content.ReadAsStreamAsync(cancellationToken);
            return ReadError(bytes.AsMemory(0, await body.ReadAtLeastAsync(bytes, MaxErrorBytes, throwOnEndOfStream: false, cancellationToken)));
        }
        catch (Exception e) when (e is IOException or HttpRequestException)
        {
            return default; // Cut off: the status says enough.
        }
    }
}
