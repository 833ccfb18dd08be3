using System.Globalization;
using System.Net;
using System.Text.Json;
using Guru.Application.Conversations;

namespace Guru.Infrastructure.Twilio;

/// <summary>What a request that did not succeed means for whoever may try again.</summary>
internal static class TwilioRefusals
{
    /// <summary>Rate limits, and trouble at Twilio or behind it; the rest is about the request, the account or the recipient.</summary>
    private static readonly HashSet<int> Passing =
        [12400, 20429, 20500, 20503, 30001, 37004, 63009, 63010, 63012, 63017, 63018, 63038];

    /// <param name="body">Twilio's error object; anything else, such as HTML, says nothing.</param>
    /// <param name="sends">Whether the request has an effect that must not be had twice.</param>
    public static MessengerException OfAnswer(HttpStatusCode status, JsonElement body, bool sends, TimeSpan? retryAfter)
    {
        var code = CodeOf(body);
        return status switch
        {
            // Refused before it was looked at.
            HttpStatusCode.TooManyRequests => new MessengerException(code ?? (int)status, transient: true, retryAfter: retryAfter),
            _ when code == 20429 => new MessengerException(code, transient: true, retryAfter: retryAfter),

            // Twilio may have failed after it did what was asked.
            HttpStatusCode.RequestTimeout or >= HttpStatusCode.InternalServerError =>
                new MessengerException(code ?? (int)status, transient: true, unknown: sends, retryAfter),

            _ => new MessengerException(code ?? (int)status, transient: code is { } number && Passing.Contains(number), retryAfter: retryAfter),
        };
    }

    public static MessengerException OfSilence(Exception why, bool sends) =>
        new(code: null, transient: true, unknown: sends && !NeverLeft(why), inner: why);

    /// <summary>Accepted, but under which sid cannot be read: it has most likely been done.</summary>
    public static MessengerException OfNoSid() => new(code: null, transient: true, unknown: true);

    /// <summary>There was no connection that the request could have been sent on.</summary>
    private static bool NeverLeft(Exception why) => why switch
    {
        HttpRequestException e => e.HttpRequestError is HttpRequestError.NameResolutionError or HttpRequestError.ConnectionError
            or HttpRequestError.SecureConnectionError or HttpRequestError.ProxyTunnelError,

        // SocketsHttpHandler tells its connect timeout so; a limit of our own has no inner exception of this kind.
        OperationCanceledException e => e.InnerException is TimeoutException,
        _ => false,
    };

    private static int? CodeOf(JsonElement body) => body.At("code") switch
    {
        { ValueKind: JsonValueKind.Number } number when number.TryGetInt32(out var code) => code,
        { ValueKind: JsonValueKind.String } text when int.TryParse(text.GetString(), CultureInfo.InvariantCulture, out var code) => code,
        _ => null,
    };
}
