using System.Text;
using Guru.Infrastructure.Twilio;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.AspNetCore.WebUtilities;
using Microsoft.Extensions.Primitives;
using Microsoft.Net.Http.Headers;

namespace Guru.Api.Security;

/// <summary>
/// Refuses what Twilio has not signed, the upgrade to a WebSocket included: 403, without saying what was expected. An endpoint behind it reads
/// <see cref="HttpRequest.Form"/>; a parameter bound from the form would be read, and refused for its shape, before anybody asks who sent it.
/// </summary>
internal sealed partial class TwilioRequest(TwilioSignature signature, ILogger<TwilioRequest> logger) : IEndpointFilter
{
    private const string FormType = "application/x-www-form-urlencoded";

    public async ValueTask<object?> InvokeAsync(EndpointFilterInvocationContext context, EndpointFilterDelegate next)
    {
        var request = context.HttpContext.Request;
        var target = context.HttpContext.Features.GetRequiredFeature<IHttpRequestFeature>().RawTarget;
        var query = target.IndexOf('?', StringComparison.Ordinal);
        var path = query < 0 ? target : target[..query];
        var claimed = request.Headers[TwilioSignature.Header].ToString();

        var (signed, form, unreadable) = HttpMethods.IsGet(request.Method) || HttpMethods.IsConnect(request.Method)
            ? (signature.SignsUpgrade(claimed, path, query < 0 ? null : target[query..]), FormCollection.Empty, Unreadable: null)
            : await ReadAsync(request, claimed, path, query < 0 ? null : target[query..]);
        if (!signed)
        {
            if (unreadable is null)
            {
                LogRefused(path, claimed.Length > 0, form.Count);
            }
            else
            {
                LogUnreadable(path, unreadable);
            }

            return TypedResults.Problem(statusCode: StatusCodes.Status403Forbidden, title: "The request is not signed for this address.");
        }

        request.Form = form;
        return await next(context);
    }

    /// <summary>The form that was signed; empty where the body is none. What cannot be read whole is not known to be signed.</summary>
    /// <exception cref="BadHttpRequestException">The body is longer than the server takes (413), or was cut off.</exception>
    private async Task<(bool Signed, IFormCollection Form, string? Unreadable)> ReadAsync(HttpRequest request, string claimed, string path, string? query)
    {
        if (claimed.Length == 0)
        {
            return (false, FormCollection.Empty, Unreadable: null);
        }

        var cancellationToken = request.HttpContext.RequestAborted;
        using var body = new MemoryStream();
        await request.Body.CopyToAsync(body, cancellationToken);
        if (MediaTypeHeaderValue.TryParse(request.ContentType, out var type) && type.MediaType.Equals(FormType, StringComparison.OrdinalIgnoreCase))
        {
            try
            {
                var form = await ReadFormAsync(request, body, type.Encoding ?? Encoding.UTF8, cancellationToken);
                return (signature.Signs(claimed, path, query, form.SelectMany(f => f.Value, (f, value) => KeyValuePair.Create(f.Key, value ?? ""))), form, Unreadable: null);
            }
            catch (Exception error) when (error is InvalidDataException or NotSupportedException)
            {
                return (false, FormCollection.Empty, error.Message); // More fields, or longer ones, than anybody signs, a NUL in one, or in an encoding that is no more.
            }
        }

        return (body.Length == 0 ? signature.Signs(claimed, path, query, []) : signature.SignsBody(claimed, path, query, body.ToArray()), FormCollection.Empty, Unreadable: null);
    }

    /// <summary>Within the framework's bounds, but with names as they were sent: to Twilio those that differ in case alone are two, and it signs both.</summary>
    private static async Task<FormCollection> ReadFormAsync(HttpRequest request, MemoryStream body, Encoding encoding, CancellationToken cancellationToken)
    {
        body.Position = 0;
        request.Body = body;
        await request.ReadFormAsync(cancellationToken);

        var fields = new Dictionary<string, StringValues>(StringComparer.Ordinal);
        using var reader = new FormReader(encoding.GetString(body.GetBuffer(), 0, (int)body.Length));
        while (reader.ReadNextPair() is { } field)
        {
            fields[field.Key] = StringValues.Concat(fields.GetValueOrDefault(field.Key), field.Value);
        }

        return new FormCollection(fields);
    }

    [LoggerMessage(Level = LogLevel.Warning, Message = "{Path} was refused: not signed for this address (signature present: {Present}, {Fields} fields). Check BASE_URL and TWILIO_AUTH_TOKEN")]
    private partial void LogRefused(string path, bool present, int fields);

    [LoggerMessage(Level = LogLevel.Warning, Message = "{Path} was refused: its form cannot be read, so that nobody can say who signed it ({Reason})")]
    private partial void LogUnreadable(string path, string reason);
}

internal static class TwilioForm
{
    /// <summary>Null for a field that is missing or empty; Twilio means the same by both.</summary>
    public static string? Field(this IFormCollection form, string name) => form[name] is [{ Length: > 0 } value, ..] ? value : null;
}
