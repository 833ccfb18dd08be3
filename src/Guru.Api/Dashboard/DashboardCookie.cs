using System.Security.Claims;
using System.Threading.RateLimiting;
using Guru.Api.Security;
using Guru.Application.Conversations;
using Microsoft.AspNetCore.Authentication;
using Microsoft.AspNetCore.Authentication.Cookies;
using Microsoft.AspNetCore.Http.Extensions;

namespace Guru.Api.Dashboard;

/// <summary>
/// A key of an analyst or an operator, exchanged for a cookie. The cookie names the key, not its roles: those are looked up with each request, so
/// that a key which is configured no more opens nothing.
/// </summary>
internal static class DashboardCookie
{
    public const string SchemeName = "Dashboard";
    public const string LoginPath = "/login";
    private static readonly TimeSpan Life = TimeSpan.FromHours(12);

    /// <summary>The cookie for pages and the downloads on them; a key, where one is sent.</summary>
    public const string OrKey = "KeyOrCookie";

    public static AuthenticationBuilder AddDashboardCookie(this AuthenticationBuilder authentication) => authentication
        .AddCookie(SchemeName, cookie =>
        {
            cookie.Cookie.Name = "guru.dashboard";
            cookie.Cookie.HttpOnly = true;
            cookie.Cookie.SameSite = SameSiteMode.Lax; // A link to a call, in a mail, opens it.
            cookie.Cookie.IsEssential = true;
            cookie.ExpireTimeSpan = Life;
            cookie.SlidingExpiration = true;
            cookie.LoginPath = LoginPath;
            cookie.ReturnUrlParameter = "returnUrl";
            var standard = new CookieAuthenticationEvents();
            cookie.Events = new CookieAuthenticationEvents
            {
                OnSigningIn = KeepToHttpsAsync,
                OnValidatePrincipal = LookUpAsync,
                OnRedirectToLogin = context => standard.RedirectToLogin(Relative(context)),
                OnRedirectToAccessDenied = context => standard.RedirectToAccessDenied(Relative(context)),
            };
        })
        .AddPolicyScheme(OrKey, displayName: null, either => either.ForwardDefaultSelector = context =>
            context.Request.Headers.ContainsKey("Authorization") || !context.Request.Cookies.ContainsKey("guru.dashboard")
                ? ApiKeyAuthentication.SchemeName
                : SchemeName);

    /// <summary>Null for a key that does not open the dashboard.</summary>
    public static ClaimsPrincipal? Open(ApiKeys keys, string key) => OpenNamed(keys, ApiKeys.NameOf(key));

    private static ClaimsPrincipal? OpenNamed(ApiKeys keys, string name)
    {
        var roles = keys.RolesOfNamed(name).Where(role => role is Roles.Analyst or Roles.Operator).ToList();
        return roles.Count == 0
            ? null
            : new ClaimsPrincipal(new ClaimsIdentity(
                [new Claim(BearerClaims.Key, name), new Claim(ClaimTypes.Role, Roles.Dashboard), .. roles.Select(role => new Claim(ClaimTypes.Role, role))], SchemeName));
    }

    private static Task LookUpAsync(CookieValidatePrincipalContext context)
    {
        var keys = context.HttpContext.RequestServices.GetRequiredService<ApiKeys>();
        if (OpenNamed(keys, context.Principal!.KeyOf()) is { } principal)
        {
            context.ReplacePrincipal(principal);
            return Task.CompletedTask;
        }

        context.RejectPrincipal();
        return context.HttpContext.SignOutAsync(SchemeName);
    }

    /// <summary>To the address that the browser has: behind a proxy, the request's own may be another.</summary>
    private static RedirectContext<CookieAuthenticationOptions> Relative(RedirectContext<CookieAuthenticationOptions> context)
    {
        UriHelper.FromAbsolute(context.RedirectUri, out _, out _, out var path, out var query, out _);
        context.RedirectUri = $"{path}{query}";
        return context;
    }

    /// <summary>Behind a proxy that ends TLS the request itself is plain, and comes to the public address.</summary>
    private static Task KeepToHttpsAsync(CookieSigningInContext context)
    {
        var own = new Uri(context.HttpContext.RequestServices.GetRequiredService<PublicAddress>().BaseUrl);
        context.CookieOptions.Secure = context.Request.IsHttps || (own.Scheme == Uri.UriSchemeHttps && context.Request.Host.Host == own.Host);
        return Task.CompletedTask;
    }
}

/// <summary>How often keys can be tried from one address.</summary>
internal sealed class SignInLimits : IDisposable
{
    private const int AMinute = 20;

    private readonly PartitionedRateLimiter<HttpContext> _perAddress = PartitionedRateLimiter.Create<HttpContext, string>(context =>
        RateLimitPartition.GetFixedWindowLimiter(context.Connection.RemoteIpAddress?.ToString() ?? "", _ =>
            new FixedWindowRateLimiterOptions { PermitLimit = AMinute, Window = TimeSpan.FromMinutes(1), QueueLimit = 0 }));

    public bool Allow(HttpContext context)
    {
        using var lease = _perAddress.AttemptAcquire(context);
        return lease.IsAcquired;
    }

    public void Dispose() => _perAddress.Dispose();
}
