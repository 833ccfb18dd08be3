using Guru.Infrastructure.Twilio;
using Microsoft.AspNetCore.Diagnostics;
using Microsoft.AspNetCore.Http.Features;

namespace Guru.Api.Security;

/// <summary>Refuses what Twilio has not signed, the upgrade to a WebSocket included: 403 with an empty body.</summary>
internal sealed partial class TwilioRequest(TwilioSignature signature, ILogger<TwilioRequest> logger) : IEndpointFilter
{
    private const string Header = "X-Twilio-Signature";

    public async ValueTask<object?> InvokeAsync(EndpointFilterInvocationContext context, EndpointFilterDelegate next)
    {
        var request = context.HttpContext.Request;
        var target = context.HttpContext.Features.GetRequiredFeature<IHttpRequestFeature>().RawTarget;
        var query = target.IndexOf('?', StringComparison.Ordinal);
        var path = query < 0 ? target : target[..query];
        var claimed = request.Headers[Header].ToString();

        bool signed;
        var fields = 0;
        if (HttpMethods.IsGet(request.Method) || HttpMethods.IsConnect(request.Method))
        {
            signed = signature.SignsUpgrade(claimed, path, query < 0 ? null : target[query..]);
        }
        else
        {
            IFormCollection form = request.HasFormContentType ? await request.ReadFormAsync(context.HttpContext.RequestAborted) : FormCollection.Empty;
            fields = form.Count;
            signed = signature.Signs(
                claimed, path, query < 0 ? null : target[query..], form.SelectMany(field => field.Value, (field, value) => KeyValuePair.Create(field.Key, value ?? "")));
        }

        if (!signed)
        {
            LogRefused(path, claimed.Length > 0, fields);
            if (context.HttpContext.Features.Get<IStatusCodePagesFeature>() is { } pages)
            {
                pages.Enabled = false;
            }

            return Results.StatusCode(StatusCodes.Status403Forbidden);
        }

        return await next(context);
    }

    [LoggerMessage(Level = LogLevel.Warning, Message = "{Path} was refused: not signed for this address (signature present: {Present}, {Fields} fields). Check BASE_URL and TWILIO_AUTH_TOKEN")]
    private partial void LogRefused(string path, bool present, int fields);
}
