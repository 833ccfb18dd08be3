using System.Net;
using System.Text.Json;
using Guru.Application.Voice;
using Guru.Infrastructure.Sockets;

namespace Guru.Infrastructure.OpenAI;

/// <summary>Which refusals may go away by trying again. Wrong requests, keys and models do not, and neither does a lack of money.</summary>
internal static class RealtimeRefusals
{
    private static readonly HashSet<string> Lasting = new(StringComparer.Ordinal)
    {
        "insufficient_quota", "billing_hard_limit_reached", "billing_not_active", "account_deactivated",
        "credit_balance_exhausted", "organization_spend_limit_exceeded", "project_spend_limit_exceeded", "organization_usage_limit_exceeded",
        "invalid_api_key", "model_not_found", "missing_model", "beta_api_shape_disabled", "unknown_parameter", "missing_required_parameter",
    };

    private static readonly HashSet<string> Passing = new(StringComparer.Ordinal) { "server_error", "rate_limit_exceeded", "session_expired" };

    /// <param name="status">Zero when there was no answer.</param>
    /// <param name="errorType">From the body of the answer, where there was one, like the code.</param>
    public static VoiceModelException OfStatus(HttpStatusCode status, string? errorType, string? errorCode, Exception? inner = null)
    {
        if (status == default)
        {
            return new VoiceModelException("unreachable", transient: true, inner);
        }

        var code = errorCode ?? errorType ?? ((int)status).ToString(System.Globalization.CultureInfo.InvariantCulture);
        var transient = status is HttpStatusCode.RequestTimeout or HttpStatusCode.TooManyRequests || (int)status >= 500;
        return new VoiceModelException(code, transient && !IsLasting(code) && !IsListed(errorType), inner) { Status = (int)status };
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
        catch (JsonException)
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

    /// <summary>It is the session's configuration that is at fault, and not what came with it.</summary>
    public static bool IsOfSession(string code) => code is "unknown_parameter" or "missing_required_parameter" or "invalid_value" or "model_not_found" or "missing_model";

    /// <summary>Asked of the type as well as of the code: a lack of money has many codes, and new ones come.</summary>
    private static bool IsListed(string? name) => name is not null && Lasting.Contains(name);
}

/// <summary>Reads why an upgrade was refused: the WebSocket client tells the status only, and a 429 may be about speed or about money.</summary>
/// <param name="inner">Shared with other dials.</param>
internal sealed class UpgradeRefusal(HttpMessageInvoker inner) : HttpMessageHandler
{
    private const int MaxBytes = 16 * 1024;

    public string? ErrorType { get; private set; }

    public string? ErrorCode { get; private set; }

    protected override async Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken)
    {
        var response = await inner.SendAsync(request, cancellationToken);
        if (response.StatusCode != HttpStatusCode.SwitchingProtocols)
        {
            await ReadAsync(response.Content, cancellationToken);
        }

        return response;
    }

    private async Task ReadAsync(HttpContent content, CancellationToken cancellationToken)
    {
        var bytes = new byte[MaxBytes];
        try
        {
            await using var body = await content.ReadAsStreamAsync(cancellationToken);
            var length = await body.ReadAtLeastAsync(bytes, MaxBytes, throwOnEndOfStream: false, cancellationToken);
            (ErrorType, ErrorCode) = RealtimeRefusals.ReadError(bytes.AsMemory(0, length));
        }
        catch (Exception e) when (e is IOException or HttpRequestException)
        {
            // Cut off: the status says enough.
        }
    }
}
