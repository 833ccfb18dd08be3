using System.Net;
using System.Security.Claims;
using System.Text.RegularExpressions;
using Guru.Api.Dashboard;
using Guru.Api.Security;
using Guru.EndToEnd.Tests;
using Microsoft.AspNetCore.Authentication;
using Microsoft.AspNetCore.Authentication.Cookies;
using Microsoft.AspNetCore.Authorization;
using Microsoft.AspNetCore.RateLimiting;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Options;

namespace Guru.Browser.Tests;

/// <summary>The sign-in as it goes over the wire.</summary>
[Collection(nameof(BrowserWorld))]
public sealed partial class SigningIn(BrowserWorld world)
{
    [Theory]
    [InlineData("guru.example.test", true)]
    [InlineData("127.0.0.1", false)]
    public async Task The_cookie_keeps_to_https_where_the_public_address_is_https(string host, bool secure)
    {
        using var browser = Browser();
        using var answer = await SignInAsync(browser, World.AnalystKey, host);

        answer.StatusCode.ShouldBe(HttpStatusCode.Redirect);
        var cookie = answer.Headers.GetValues("Set-Cookie").Single(value => value.StartsWith("guru.dashboard=", StringComparison.Ordinal));
        cookie.Contains("; secure", StringComparison.OrdinalIgnoreCase).ShouldBe(secure);
        cookie.ShouldContain("httponly");
        cookie.ShouldContain("samesite=lax");
        cookie.ShouldNotContain(World.AnalystKey);
    }

    [Fact]
    public async Task A_form_without_its_token_is_refused()
    {
        using var browser = Browser();
        using var signIn = await browser.PostAsync("/login", new FormUrlEncodedContent([new("_handler", "login"), new("Key", World.AnalystKey)]));
        signIn.StatusCode.ShouldBe(HttpStatusCode.BadRequest);
        using var signedIn = await SignInAsync(browser, World.AnalystKey, "127.0.0.1");
        signedIn.StatusCode.ShouldBe(HttpStatusCode.Redirect);
        using var signOut = await browser.PostAsync("/logout", content: null);
        signOut.StatusCode.ShouldBe(HttpStatusCode.BadRequest);
    }

    [Theory]
    [InlineData("https://elsewhere.example")]
    [InlineData("//elsewhere.example")]
    [InlineData("/\\elsewhere.example")]
    [InlineData("/\t/elsewhere.example")] // Browsers leave tabs and ends of lines out.
    [InlineData("/\n\\elsewhere.example")]
    [InlineData("elsewhere.example")]
    public async Task Nobody_is_led_elsewhere_after_the_sign_in(string returnUrl)
    {
        using var browser = Browser();
        using var answer = await SignInAsync(browser, World.AnalystKey, "127.0.0.1", $"?returnUrl={Uri.EscapeDataString(returnUrl)}");

        answer.Headers.Location!.OriginalString.ShouldBe("/");
    }

    [Fact]
    public async Task The_way_to_the_sign_in_and_back_names_no_site_so_that_it_is_the_one_that_the_browser_knows()
    {
        using var browser = Browser();
        using var stopped = await browser.GetAsync("/calls?agent=legal");
        var there = stopped.Headers.Location!.OriginalString;
        there.ShouldBe($"/login?returnUrl={Uri.EscapeDataString("/calls?agent=legal")}");

        using var answer = await SignInAsync(browser, World.AnalystKey, "127.0.0.1", there["/login".Length..]);

        answer.Headers.Location!.OriginalString.ShouldBe("/calls?agent=legal");
    }

    [Fact]
    public async Task The_cookie_of_a_key_that_is_configured_no_more_opens_nothing()
    {
        (await StatusOfAsync(World.AnalystKey)).ShouldBe(HttpStatusCode.OK);
        (await StatusOfAsync("a key that was taken out")).ShouldBe(HttpStatusCode.Redirect);
        (await StatusOfAsync(World.WebappKey)).ShouldBe(HttpStatusCode.Redirect);
    }

    [Fact]
    public async Task What_stands_behind_the_pages_needs_the_cookie_too()
    {
        using var browser = Browser();
        using var negotiation = await browser.PostAsync("/_blazor/negotiate?negotiateVersion=1", content: null);
        negotiation.StatusCode.ShouldNotBe(HttpStatusCode.OK);
        var connections = world.Guru.App.Services.GetRequiredService<EndpointDataSource>().Endpoints.OfType<RouteEndpoint>()
            .Where(endpoint => endpoint.RoutePattern.RawText!.TrimStart('/').StartsWith("_blazor", StringComparison.Ordinal)).ToList();
        connections.ShouldNotBeEmpty();
        connections.ShouldAllBe(endpoint => endpoint.Metadata.GetMetadata<IAuthorizeData>() != null && endpoint.Metadata.GetMetadata<EnableRateLimitingAttribute>() != null);
        using var script = await browser.GetAsync("/_framework/blazor.web.js");
        script.StatusCode.ShouldBe(HttpStatusCode.OK);
    }

    [Fact]
    public async Task A_page_says_what_browsers_may_do_with_it()
    {
        using var browser = Browser();
        using var page = await browser.GetAsync("/login");

        var policy = page.Headers.GetValues("Content-Security-Policy").ShouldHaveSingleItem();
        policy.ShouldContain("default-src 'none'");
        policy.ShouldContain("script-src 'self';");
        policy.ShouldContain("frame-ancestors 'none'");
        page.Headers.GetValues("X-Content-Type-Options").ShouldBe(["nosniff"]);
        page.Headers.CacheControl!.NoStore.ShouldBeTrue();
        (await page.Content.ReadAsStringAsync()).ShouldNotContain("https://");
    }

    /// <summary>A page, asked for with a cookie such as Guru gave out while this key was configured.</summary>
    private async Task<HttpStatusCode> StatusOfAsync(string key)
    {
        var options = world.Guru.App.Services.GetRequiredService<IOptionsMonitor<CookieAuthenticationOptions>>().Get(DashboardCookie.SchemeName);
        var identity = new ClaimsIdentity([new Claim(BearerClaims.Key, ApiKeys.NameOf(key)), new Claim(ClaimTypes.Role, Roles.Dashboard)], DashboardCookie.SchemeName);
        var ticket = new AuthenticationTicket(
            new ClaimsPrincipal(identity), new AuthenticationProperties { IssuedUtc = DateTimeOffset.UtcNow, ExpiresUtc = DateTimeOffset.UtcNow.AddHours(1) }, DashboardCookie.SchemeName);
        using var browser = Browser();
        using var request = new HttpRequestMessage(HttpMethod.Get, "/settings");
        request.Headers.Add("Cookie", $"{options.Cookie.Name}={options.TicketDataFormat.Protect(ticket)}");
        using var answer = await browser.SendAsync(request);
        return answer.StatusCode;
    }

    private static async Task<HttpResponseMessage> SignInAsync(HttpClient browser, string key, string host, string query = "")
    {
        using var form = await browser.GetAsync($"/login{query}");
        var token = AntiforgeryToken().Match(await form.Content.ReadAsStringAsync()).Groups["token"].Value;
        using var request = new HttpRequestMessage(HttpMethod.Post, $"/login{query}")
        {
            Content = new FormUrlEncodedContent([new("_handler", "login"), new("__RequestVerificationToken", token), new("Key", key)]),
            Headers = { Host = host },
        };
        return await browser.SendAsync(request);
    }

    private HttpClient Browser() =>
        new(new HttpClientHandler { AllowAutoRedirect = false, CookieContainer = new CookieContainer() }) { BaseAddress = world.Address };

    [GeneratedRegex("name=\"__RequestVerificationToken\" value=\"(?<token>[^\"]+)\"", RegexOptions.ExplicitCapture, matchTimeoutMilliseconds: 1000)]
    private static partial Regex AntiforgeryToken();
}
