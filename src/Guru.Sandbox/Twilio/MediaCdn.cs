using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using Guru.Sandbox.Hosting;

namespace Guru.Sandbox.Twilio;

/// <summary>
/// The host that Twilio sends for a medium: another address, links that are signed and soon expire,
/// and no patience for who brings credentials that were meant for Twilio.
/// </summary>
sealed class MediaCdn(TwilioStandIn twilio) : IAsyncDisposable
{
    private readonly byte[] _key = RandomNumberGenerator.GetBytes(32);
    private WebApplication? _app;
    private Uri? _address;

    public async Task StartAsync(CancellationToken cancellationToken) =>
        (_app, _address) = await LoopbackHost.StartAsync(0, app => app.MapGet("/{account}/{sid}", ServeAsync), cancellationToken);

    public Uri Link(StoredMedium medium)
    {
        var expires = (twilio.Clock.GetUtcNow() + twilio.Messaging.Media.Faults.ExpiresAfter).ToUnixTimeSeconds()
            .ToString(CultureInfo.InvariantCulture);
        return new Uri(_address!, $"/{twilio.Options.AccountSid}/{medium.Sid}?Expires={expires}&Signature={Sign(medium.Sid, expires)}");
    }

    public ValueTask DisposeAsync() => _app?.DisposeAsync() ?? ValueTask.CompletedTask;

    private async Task ServeAsync(HttpContext context, string sid)
    {
        var faults = twilio.Messaging.Media.Faults;
        var hadCredentials = context.Request.Headers.Authorization.Count > 0;
        var medium = twilio.Messaging.Media.Find(sid);
        context.Response.StatusCode = hadCredentials ? 400 : !IsValid(context.Request, sid) ? 403
            : faults.CdnStatus ?? (medium is null ? 404 : 200);
        twilio.Messaging.Media.Requests.Add(new MediaRequest(sid, AtCdn: true, hadCredentials, context.Response.StatusCode));
        if (context.Response.StatusCode == 200)
        {
            await SendAsync(context, medium!, faults);
        }
    }

    private static async Task SendAsync(HttpContext context, StoredMedium medium, MediaFaults faults)
    {
        context.Response.ContentType = medium.ContentType;
        if (!faults.WithoutLength)
        {
            context.Response.ContentLength = medium.Content.Length;
        }

        if (faults.BreaksAfter is { } bytes)
        {
            await context.Response.Body.WriteAsync(medium.Content[..Math.Min(bytes, medium.Content.Length)], context.RequestAborted);
            await context.Response.Body.FlushAsync(context.RequestAborted);
            context.Abort();
            return;
        }

        await context.Response.Body.WriteAsync(medium.Content, context.RequestAborted);
    }

    private bool IsValid(HttpRequest request, string sid) =>
        long.TryParse(request.Query["Expires"], CultureInfo.InvariantCulture, out var expires)
        && twilio.Clock.GetUtcNow().ToUnixTimeSeconds() < expires
        && request.Query["Signature"] == Sign(sid, request.Query["Expires"].ToString());

    private string Sign(string sid, string expires) =>
        Convert.ToHexStringLower(HMACSHA256.HashData(_key, Encoding.UTF8.GetBytes($"{sid} {expires}")));
}
