using System.Threading.RateLimiting;
using Guru.Api.Security;
using Microsoft.AspNetCore.Antiforgery;
using Microsoft.AspNetCore.Authentication;
using Microsoft.AspNetCore.Components.Endpoints;
using Microsoft.AspNetCore.RateLimiting;
using Radzen;

namespace Guru.Api.Dashboard;

/// <summary>The pages for people: Blazor on the server, behind a sign-in, with nothing loaded from elsewhere.</summary>
internal static class DashboardHosting
{
    private const string Connections = "dashboard";

    /// <summary>Open pages of one node: each holds a connection and its state.</summary>
    private const int MostConnections = 200;

    /// <summary>Of pages whose connection broke, for as long as they may come back.</summary>
    private const int MostDisconnected = 50;

    private const int MostMessageBytes = 64 * 1024;

    /// <summary>Components place what they draw with style attributes; style sheets and scripts come from this host alone.</summary>
    private const string ContentPolicy =
        "default-src 'none'; script-src 'self'; style-src 'self'; style-src-attr 'unsafe-inline'; img-src 'self' data:; font-src 'self'; "
        + "connect-src 'self'; media-src 'self'; base-uri 'self'; form-action 'self'; frame-ancestors 'none'";

    public static void AddDashboard(this IServiceCollection services)
    {
        services.AddRazorComponents().AddInteractiveServerComponents(circuits =>
        {
            circuits.DisconnectedCircuitMaxRetained = MostDisconnected;
            circuits.DisconnectedCircuitRetentionPeriod = TimeSpan.FromMinutes(2);
            circuits.MaxBufferedUnacknowledgedRenderBatches = 10;
        }).AddHubOptions(hub => hub.MaximumReceiveMessageSize = MostMessageBytes);
        services.AddRadzenComponents();
        services.AddCascadingAuthenticationState();
        services.AddAntiforgery(antiforgery =>
        {
            antiforgery.Cookie.Name = "guru.antiforgery";
            antiforgery.Cookie.SecurePolicy = CookieSecurePolicy.SameAsRequest;
        });
        services.AddSingleton<SignInLimits>();
        services.Configure<RateLimiterOptions>(limiter => limiter.AddPolicy(Connections, _ =>
            RateLimitPartition.GetConcurrencyLimiter(Connections, _ => new ConcurrencyLimiterOptions { PermitLimit = MostConnections, QueueLimit = 0 })));
    }

    public static void MapDashboard(this WebApplication app)
    {
        app.MapStaticAssets();
        app.MapRazorComponents<App>()
            .AddInteractiveServerRenderMode(server => server.ContentSecurityFrameAncestorsPolicy = null) // Part of our own.
            .WithStaticAssets()
            .RequireAuthorization(Roles.Dashboard)
            .RequireRateLimiting(Connections);
        app.MapPost("/logout", SignOutAsync).RequireAuthorization(Roles.Dashboard).ExcludeFromDescription();
    }

    /// <summary>What browsers may do with a page.</summary>
    public static void UseDashboardHeaders(this WebApplication app) => app.Use((context, next) =>
    {
        if (context.GetEndpoint()?.Metadata.GetMetadata<ComponentTypeMetadata>() is not null)
        {
            var headers = context.Response.Headers;
            headers.ContentSecurityPolicy = ContentPolicy;
            headers.XContentTypeOptions = "nosniff";
            headers["Referrer-Policy"] = "same-origin";
            headers["Permissions-Policy"] = "microphone=(), camera=(), geolocation=()";
            headers.CacheControl = "no-cache, no-store"; // As the protection of forms wants it.
        }

        return next(context);
    });

    private static async Task<IResult> SignOutAsync(HttpContext context, IAntiforgery antiforgery)
    {
        if (!await antiforgery.IsRequestValidAsync(context))
        {
            return Results.Problem(statusCode: StatusCodes.Status400BadRequest, title: "This form is out of date: load the page again.");
        }

        await context.SignOutAsync(DashboardCookie.SchemeName);
        return Results.LocalRedirect(DashboardCookie.LoginPath);
    }
}
