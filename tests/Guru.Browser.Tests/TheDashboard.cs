using System.Globalization;
using System.Net;
using Guru.Domain.Calls;
using Guru.EndToEnd.Tests;
using Guru.Sandbox.Twilio;
using Microsoft.Playwright;
using static Microsoft.Playwright.Assertions;

namespace Guru.Browser.Tests;

/// <summary>What analysts and operators do on the pages at /.</summary>
[Collection(nameof(BrowserWorld))]
public sealed class TheDashboard(BrowserWorld world)
{
    private DashboardPages Dashboard => world.Dashboard;

    [Fact]
    public async Task Nobody_sees_a_page_without_a_key_and_a_key_leads_to_the_page_that_was_asked_for()
    {
        var page = await world.Chromium.NewPageAsync();
        await page.GotoAsync(Dashboard.AddressOf("/calls?agent=legal").AbsoluteUri);
        await Expect(page).ToHaveURLAsync(DashboardPages.Matching("/login\\?returnUrl=%2Fcalls%3Fagent%3Dlegal$"));

        await page.GetByLabel("Key", new() { Exact = true }).FillAsync("not-a-key");
        await page.GetByRole(AriaRole.Button, new() { Name = "Sign in" }).ClickAsync();
        await Expect(page.GetByRole(AriaRole.Alert)).ToContainTextAsync("does not open the dashboard");
        await page.GetByLabel("Key", new() { Exact = true }).FillAsync(World.WebappKey);
        await page.GetByRole(AriaRole.Button, new() { Name = "Sign in" }).ClickAsync();
        await Expect(page.GetByRole(AriaRole.Alert)).ToContainTextAsync("does not open the dashboard");

        await Dashboard.SignInAsync(page, World.AnalystKey);
        await Expect(page).ToHaveURLAsync(DashboardPages.Matching("/calls\\?agent=legal$"));
        await Expect(page.Locator("h1")).ToHaveTextAsync("Calls");
        var cookie = (await page.Context.CookiesAsync()).Single(cookie => cookie.Name == "guru.dashboard");
        cookie.HttpOnly.ShouldBeTrue();
        cookie.SameSite.ShouldBe(SameSiteAttribute.Lax);

        await page.GetByRole(AriaRole.Button, new() { Name = "Sign out" }).ClickAsync();
        await Expect(page).ToHaveURLAsync(DashboardPages.Matching("/login"));
        await page.GotoAsync(Dashboard.AddressOf("/calls").AbsoluteUri);
        await Expect(page).ToHaveURLAsync(DashboardPages.Matching("/login"));
        await page.Context.CloseAsync();
    }

    [Fact]
    public async Task An_empty_dashboard_says_what_to_do()
    {
        Dashboard.EmptyOverview.ShouldContain("Nobody has called yet.");
        Dashboard.EmptyOverview.ShouldContain($"{World.PublicAddress}/api/whatsapp/voice/webhook");

        var page = await Dashboard.OpenAsync("/calls?text=zebra");
        await Expect(page.Locator(".empty")).ToContainTextAsync("No call is like that.");
        await page.Locator(".empty").GetByRole(AriaRole.Link, new() { Name = "Clear the filters" }).ClickAsync();
        await Expect(page.Locator(".grid tbody tr")).ToHaveCountAsync(25);
        await page.Context.CloseAsync();
    }

    [Fact]
    public async Task The_overview_shows_the_figures_of_the_period_in_its_address()
    {
        var page = await Dashboard.OpenAsync("/?period=30d");
        var summary = (await world.GetAsync($"/api/analytics/summary?startedAt.from={DateTimeOffset.UtcNow.AddDays(-29):yyyy-MM-dd}")).GetProperty("figures");

        await Expect(Metric("Calls").Locator(".figure")).ToHaveTextAsync(summary.GetProperty("calls").GetInt64().ToString(CultureInfo.InvariantCulture));
        await Expect(Metric("Cost").Locator(".figure")).ToHaveTextAsync(summary.GetProperty("cost").GetDecimal().ToString("$0.00", CultureInfo.InvariantCulture));
        foreach (var title in new[] { "Calls", "Minutes", "Cost", "Latency", "Active now" })
        {
            await Expect(Metric(title).Locator(".rz-chart path").First).ToBeAttachedAsync();
        }

        await Expect(page.Locator(".mix tbody tr").First).ToBeVisibleAsync();
        await page.GetByRole(AriaRole.Link, new() { Name = "Today" }).ClickAsync();
        await Expect(page).ToHaveURLAsync(DashboardPages.Matching("\\?period=today$"));
        await Expect(page.Locator(".period a[aria-current]")).ToHaveTextAsync("Today");

        await page.GetByRole(AriaRole.Link, new() { Name = "7 days" }).ClickAsync();
        await DashboardPages.ReadyAsync(page);
        await page.Locator(".mix", new() { HasText = "Agents" }).GetByRole(AriaRole.Link).First.ClickAsync();
        await Expect(page).ToHaveURLAsync(DashboardPages.Matching("/calls\\?agent="));
        await page.Context.CloseAsync();

        ILocator Metric(string title) => page.Locator($".metric[aria-label='{title}']");
    }

    [Fact]
    public async Task Filters_order_and_columns_stand_in_the_address_and_survive_a_reload()
    {
        var page = await Dashboard.OpenAsync("/calls");
        await Select(page, "Agent").SelectOptionAsync("healthcare");
        await Expect(page).ToHaveURLAsync(DashboardPages.Matching("agent=healthcare"));
        await page.GetByRole(AriaRole.Columnheader, new() { Name = "Cost" }).Locator("div").First.ClickAsync();
        await Expect(page).ToHaveURLAsync(DashboardPages.Matching("sort=cost"));
        await page.Locator("summary", new() { HasText = "Columns" }).ClickAsync();
        await page.GetByLabel("Node").CheckAsync();
        await Expect(page).ToHaveURLAsync(DashboardPages.Matching("columns=.*node"));
        await Expect(page.GetByRole(AriaRole.Columnheader, new() { Name = "Node" })).ToBeVisibleAsync();

        var expected = (await world.GetAsync("/api/calls?agent=healthcare&sort=cost&limit=1")).GetProperty("items")[0].GetProperty("callSid").GetString()!;
        await page.ReloadAsync();
        await DashboardPages.ReadyAsync(page);
        await Expect(Select(page, "Agent")).ToHaveValueAsync("healthcare");
        await Expect(page.GetByRole(AriaRole.Columnheader, new() { Name = "Node" })).ToBeVisibleAsync();
        await Expect(page.Locator(".grid tbody tr").First.GetByRole(AriaRole.Link).First).ToHaveAttributeAsync("href", $"/calls/{expected}");

        await page.Locator("summary", new() { HasText = "Save this view" }).ClickAsync();
        await page.GetByRole(AriaRole.Textbox, new() { Name = "Name", Exact = true }).FillAsync("Cheapest in healthcare");
        await page.GetByRole(AriaRole.Button, new() { Name = "Save" }).ClickAsync();
        await page.GetByRole(AriaRole.Navigation, new() { Name = "Main" }).GetByRole(AriaRole.Link, new() { Name = "Calls" }).ClickAsync();
        await Expect(Select(page, "Agent")).ToHaveValueAsync("");
        await Select(page, "View").SelectOptionAsync("Cheapest in healthcare");
        await Expect(page).ToHaveURLAsync(DashboardPages.Matching("agent=healthcare.*sort=cost|sort=cost.*agent=healthcare"));
        await page.Context.CloseAsync();
    }

    [Fact]
    public async Task Calls_are_paged_and_filtered_by_a_number_that_stays_out_of_the_address()
    {
        var page = await Dashboard.OpenAsync("/calls");
        var first = await page.Locator(".grid tbody tr").First.InnerTextAsync();
        await page.GetByRole(AriaRole.Link, new() { Name = "Next page" }).ClickAsync();
        await Expect(page).ToHaveURLAsync(DashboardPages.Matching("cursor="));
        await Expect(page.Locator(".grid tbody tr").First).Not.ToHaveTextAsync(first);
        await page.GetByRole(AriaRole.Link, new() { Name = "First page" }).ClickAsync();
        await Expect(page.Locator(".grid tbody tr").First).ToContainTextAsync(first.Split('\n')[0]);

        await page.Locator("summary", new() { HasText = "More filters" }).ClickAsync();
        await page.GetByLabel("Phone number or caller's id").FillAsync(SampleCallCenter.Number);
        await page.GetByLabel("Phone number or caller's id").BlurAsync();
        await Expect(page.Locator(".grid tbody tr")).ToHaveCountAsync(1);
        page.Url.ShouldContain($"callerId={Dashboard.Center.Maria}");
        page.Url.ShouldNotContain("5550109999");

        await page.GotoAsync(Dashboard.AddressOf("/calls?endReason=bored&cursor=nonsense").AbsoluteUri);
        await Expect(page.GetByRole(AriaRole.Alert)).ToContainTextAsync("endReason is one of callerHungUp");
        await page.Context.CloseAsync();
    }

    [Fact]
    public async Task A_call_is_read_as_a_conversation_in_which_what_was_cut_off_is_struck_through()
    {
        var page = await Dashboard.OpenAsync($"/calls/{SampleCallCenter.CutSid}");

        await Expect(page.Locator(".conversation .turn")).ToHaveCountAsync(4);
        var cut = page.Locator(".conversation s");
        await Expect(cut).ToHaveCountAsync(1);
        await Expect(page.Locator(".conversation .words", new() { Has = page.Locator("s") })).ToHaveTextAsync("Itemized means that every single Not heard: thing you are charged for is listed.");
        (await cut.EvaluateAsync<string>("s => getComputedStyle(s).textDecorationLine")).ShouldBe("line-through");
        var answer = page.Locator(".turn.agent", new() { HasText = "Itemized means" });
        await Expect(answer).ToContainTextAsync("640 ms");
        await Expect(answer).ToContainTextAsync("$0.0");
        await Expect(answer).ToContainTextAsync("Cut off");
        await Expect(page.Locator("main")).ToContainTextAsync("It is about a hospital bill.");
        await Expect(page.Locator(".timeline .stretch.unheard")).ToHaveCountAsync(1);
        await Expect(page.Locator("audio")).ToHaveCountAsync(0); // Nothing was recorded.

        await page.Locator("summary", new() { HasText = "as they were stored" }).ClickAsync();
        await page.Locator("summary", new() { HasText = "CallStarted" }).ClickAsync();
        await Expect(page.Locator("pre").First).ToContainTextAsync("+1***99");
        await page.Context.CloseAsync();
    }

    [Fact]
    public async Task A_line_of_a_call_that_was_recorded_can_be_heard()
    {
        var call = await world.Twilio.PlaceCallAsync(new CallOptions { Script = [new CallerTurn(new AgentSpeaking(TimeSpan.FromSeconds(1)), new HangUp())] });
        var line = (await world.RecordOf(call)).Utterances[0];

        var page = await Dashboard.OpenAsync($"/calls/{call.CallSid}");
        await page.GetByRole(AriaRole.Button, new() { Name = "Play from" }).First.ClickAsync();
        var heard = page.Locator("#recording");
        await Expect(heard).ToHaveJSPropertyAsync("paused", false);
        (await heard.EvaluateAsync<double>("sound => sound.currentTime")).ShouldBeGreaterThanOrEqualTo(line.GetProperty("startMs").GetInt64() / 1000.0 - 0.01);
        (await heard.EvaluateAsync<double>("sound => sound.duration")).ShouldBeGreaterThan(1);
        await Expect(page.Locator("[data-when-silent]")).ToBeHiddenAsync();
        await page.Context.CloseAsync();
    }

    [Theory]
    [InlineData("txt", "00:00:05  Guru (healthcare): Itemized means that every single [not heard: thing you are charged for is listed.]")]
    [InlineData("json", "\"heard\":\"Itemized means that every single\"")]
    [InlineData("vtt", "00:00:05.640 --> 00:00:08.000\n<v Guru (healthcare)>Itemized means that every single")]
    [InlineData("csv", "'=1+1, thank you, goodbye.")]
    public async Task A_transcript_is_downloaded(string format, string expected)
    {
        var page = await Dashboard.OpenAsync($"/calls/{SampleCallCenter.CutSid}", World.OperatorKey);
        var download = await page.RunAndWaitForDownloadAsync(() => page.GetByRole(AriaRole.Link, new() { Name = format.ToUpperInvariant(), Exact = true }).ClickAsync());

        download.SuggestedFilename.ShouldBe($"{SampleCallCenter.CutSid}.{format}");
        (await File.ReadAllTextAsync(await download.PathAsync())).ShouldContain(expected);
        await page.Context.CloseAsync();
    }

    [Fact]
    public async Task What_was_said_is_found_and_leads_to_its_call()
    {
        var page = await Dashboard.OpenAsync("/search");
        await Expect(page.Locator(".empty")).ToContainTextAsync("Every word that was said");
        await page.GetByLabel("Words").FillAsync("itemized charged");
        await page.GetByLabel("Words").PressAsync("Enter");
        await Expect(page.Locator(".hits .card")).Not.ToHaveCountAsync(0);
        await page.GetByLabel("Only what was not heard").CheckAsync();
        await Expect(page).ToHaveURLAsync(DashboardPages.Matching("unheard=true"));
        await page.ReloadAsync();
        await DashboardPages.ReadyAsync(page);
        await Expect(page.GetByLabel("Words")).ToHaveValueAsync("itemized charged");

        await page.GetByLabel("Words").FillAsync("charged listed");
        await page.GetByLabel("Words").PressAsync("Enter");
        await Expect(page).ToHaveURLAsync(DashboardPages.Matching("q=charged%20listed|q=charged\\+listed"));
        await page.Locator($".hits a[href*='{SampleCallCenter.CutSid}']").ClickAsync();
        await Expect(page).ToHaveURLAsync(DashboardPages.Matching($"/calls/{SampleCallCenter.CutSid}#u-"));
        await Expect(page.Locator(".turn.found")).ToContainTextAsync("Itemized means");
        await page.Context.CloseAsync();
    }

    [Fact]
    public async Task The_live_page_shows_a_call_as_it_is_spoken()
    {
        var page = await Dashboard.OpenAsync("/live");
        var (sid, now) = (CallSid.Parse("CAdd00000000000000000000000000cc03"), DateTimeOffset.UtcNow);
        var stream = Call.StreamId(sid);

        await Dashboard.Center.AppendAsync(stream, Dashboard.Center.Paul,
            [new CallStarted(sid, Dashboard.Center.Paul, SampleCallCenter.PaulsNumber, CallChannel.Whatsapp, CallDirection.Inbound, "en", StreamTokenHash: null, now)]);
        var call = page.Locator(".live-call", new() { HasText = "+1***88" });
        await Expect(call).ToContainTextAsync("Nothing has been said yet.");
        await Dashboard.Center.AppendAsync(stream, Dashboard.Center.Paul,
        [
            new AgentRouted("legal", "It is about a visa.", now), new MediaStreamConnected("MZdd00000000000000000000000000cc03", "sample", "node-1", now),
            SampleCallCenter.Said("1", Speaker.Agent, "Hello, what is it about?", 500, 2_000, now, heard: "Hello, what"),
        ]);
        await Expect(call).ToContainTextAsync("Legal");
        await Expect(call.Locator("s")).ToContainTextAsync("is it about?");
        await Dashboard.Center.AppendAsync(stream, Dashboard.Center.Paul, [SampleCallCenter.Said("2", Speaker.Caller, "About my visa.", 1_500, 3_000, now)]);
        await Expect(call.Locator(".turn.caller")).ToContainTextAsync("About my visa.");

        await page.ScreenshotAsync(new() { Path = Path.Combine(DashboardPages.Artifacts, "live-call.png") });

        // Whoever comes later sees what was said before.
        var later = await Dashboard.OpenAsync("/live");
        await Expect(later.Locator(".live-call", new() { HasText = "+1***88" }).Locator(".turn")).ToHaveCountAsync(2);
        await Dashboard.Center.AppendAsync(stream, Dashboard.Center.Paul, [new CallEnded(CallEndReason.CallerHungUp, now.AddSeconds(4))]);
        await Expect(call).ToContainTextAsync("Caller hung up");
        await later.Context.CloseAsync();
        await page.Context.CloseAsync();
    }

    [Fact]
    public async Task A_caller_is_shown_with_all_channels_consent_and_language()
    {
        var page = await Dashboard.OpenAsync("/callers/{maria}");

        await Expect(page.Locator(".facts")).ToContainTextAsync("English");
        await Expect(page.Locator("section", new() { HasText = "Consent" }).First).ToContainTextAsync("Call permission granted");
        await Expect(page.Locator(".conversation .turn.caller", new() { HasText = "What does itemized mean?" })).ToBeVisibleAsync();
        await page.GotoAsync(Dashboard.AddressOf("/callers/00000000000000000000000000000000").AbsoluteUri);
        await Expect(page.Locator("h1")).ToHaveTextAsync("No such caller");
        await page.Context.CloseAsync();
    }

    [Fact]
    public async Task Numbers_are_masked_and_operators_can_ask_for_one_which_is_logged()
    {
        var analyst = await Dashboard.OpenAsync("/callers/{maria}");
        await Expect(analyst.Locator("h1")).ToContainTextAsync("+1***99");
        await Expect(analyst.GetByRole(AriaRole.Button, new() { Name = "Show the number" })).ToHaveCountAsync(0);
        (await analyst.ContentAsync()).ShouldNotContain(SampleCallCenter.Number);

        var page = await Dashboard.OpenAsync("/callers/{maria}", World.OperatorKey);
        (await page.ContentAsync()).ShouldNotContain(SampleCallCenter.Number);
        await page.GetByRole(AriaRole.Button, new() { Name = "Show the number" }).ClickAsync();
        await Expect(page.Locator("h1")).ToContainTextAsync(SampleCallCenter.Number);
        var logged = Dashboard.Log.Lines.Where(line => line.StartsWith("The number of caller", StringComparison.Ordinal)).ShouldHaveSingleItem();
        logged.ShouldContain(Dashboard.Center.Maria.Value);
        Dashboard.Log.Lines.ShouldAllBe(line => !line.Contains("5550109999"));
        await page.Context.CloseAsync();
        await analyst.Context.CloseAsync();
    }

    [Fact]
    public async Task The_settings_show_the_prices_with_their_date_and_the_agents()
    {
        var page = await Dashboard.OpenAsync("/settings");
        var dated = DateOnly.Parse((await world.GetAsync("/api/analytics/prices")).GetProperty("dated").GetString()!, CultureInfo.InvariantCulture);

        await Expect(page.Locator("#prices")).ToHaveTextAsync($"Prices of {dated.ToString("d MMMM yyyy", CultureInfo.InvariantCulture)}");
        await Expect(page.Locator(".agents > li")).ToHaveCountAsync(4);
        await Expect(page.Locator("main input, main select, main textarea")).ToHaveCountAsync(0);
        await page.Context.CloseAsync();
    }

    [Fact]
    public async Task The_cookie_opens_downloads_and_nothing_else_of_the_API()
    {
        var browser = await Dashboard.ContextAsync(World.OperatorKey);

        (await StatusOf($"/api/calls/{SampleCallCenter.CutSid}/transcript")).ShouldBe(HttpStatusCode.OK);
        (await StatusOf("/api/export/calls?format=csv")).ShouldBe(HttpStatusCode.OK);
        (await StatusOf("/api/calls")).ShouldBe(HttpStatusCode.Unauthorized);
        (await StatusOf("/api/live")).ShouldBe(HttpStatusCode.Unauthorized);
        var placed = await browser.APIRequest.PostAsync(Dashboard.AddressOf("/api/whatsapp/voice/calls").AbsoluteUri);
        ((HttpStatusCode)placed.Status).ShouldBe(HttpStatusCode.Unauthorized);
        await browser.CloseAsync();

        async Task<HttpStatusCode> StatusOf(string path) => (HttpStatusCode)(await browser.APIRequest.GetAsync(Dashboard.AddressOf(path).AbsoluteUri)).Status;
    }

    private static ILocator Select(IPage page, string name) => page.GetByRole(AriaRole.Combobox, new() { Name = name, Exact = true });
}
