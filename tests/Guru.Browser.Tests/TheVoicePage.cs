using Guru.EndToEnd.Tests;
using Guru.Sandbox.OpenAI;
using Microsoft.Playwright;

namespace Guru.Browser.Tests;

[Collection(nameof(BrowserWorld))]
public sealed class TheVoicePage(BrowserWorld world)
{
    [Fact]
    public async Task A_person_calls_reads_the_captions_mutes_and_hangs_up()
    {
        var page = await world.OpenAsync();
        await page.GetByRole(AriaRole.Button, new() { Name = "Call" }).ClickAsync();
        await Expect(page, "#status", "Connected. Speak now.");
        var call = LatestCall();

        await Expect(page, "#captions", "Guru (general): Hello, this is Guru.");
        await Expect(page, "#agent", "You are talking to: general");
        await call.SayAsync("yes-en");
        await Expect(page, "#captions", "You: Yes, please.");
        await Expect(page, "#captions", "Please tell me a little more");
        (await world.ChannelAsync()).ShouldBe("oai-events");
        (await world.HeardBytesAsync()).ShouldBeGreaterThan(0);
        (await page.EvaluateAsync<bool>("document.querySelector('audio').srcObject.active")).ShouldBeTrue();

        var mute = page.GetByRole(AriaRole.Button, new() { Name = "Mute" });
        await mute.ClickAsync();
        (await mute.GetAttributeAsync("aria-pressed")).ShouldBe("true");
        await page.GetByRole(AriaRole.Button, new() { Name = "Hang up" }).ClickAsync();
        await Expect(page, "#status", "You hung up.");

        var record = await RecordOf(call);
        record.EndReason.ShouldBe("callerHungUp");
        record.Conversation.ShouldContain("caller: Yes, please.");
        await page.Context.CloseAsync();
    }

    [Fact]
    public async Task The_page_is_used_with_the_keyboard_alone()
    {
        var page = await world.OpenAsync();
        await page.Locator("#token").FocusAsync();
        await page.Keyboard.PressAsync("Enter");
        await Expect(page, "#status", "Connected. Speak now.");
        (await page.EvaluateAsync<string>("document.activeElement.id")).ShouldBe("mute");
        await page.Keyboard.PressAsync("Space");
        await Expect(page, "#status", "Your microphone is muted.");
        await page.Keyboard.PressAsync("Tab");
        await page.Keyboard.PressAsync("Enter");
        await Expect(page, "#status", "You hung up.");
        await page.Context.CloseAsync();
    }

    [Fact]
    public async Task A_tab_that_is_killed_ends_its_call()
    {
        var page = await world.OpenAsync();
        await page.GetByRole(AriaRole.Button, new() { Name = "Call" }).ClickAsync();
        await Expect(page, "#captions", "Guru (general): Hello, this is Guru.");
        var call = LatestCall();

        var devTools = await page.Context.NewCDPSessionAsync(page);
        _ = devTools.SendAsync("Page.crash").ContinueWith(_ => { }, TaskScheduler.Default); // Never answered.

        (await RecordOf(call)).EndReason.ShouldBe("streamLost");
        call.EndedBy.ShouldBe("hangup");
        await page.Context.CloseAsync();
    }

    [Fact]
    public async Task A_tab_that_is_closed_hangs_up()
    {
        var page = await world.OpenAsync();
        await page.GetByRole(AriaRole.Button, new() { Name = "Call" }).ClickAsync();
        await Expect(page, "#captions", "Guru (general): Hello, this is Guru.");
        var call = LatestCall();

        await page.GotoAsync("about:blank");

        (await RecordOf(call)).EndReason.ShouldBe("callerHungUp");
        await page.Context.CloseAsync();
    }

    [Fact]
    public async Task Why_a_call_could_not_be_made_is_explained()
    {
        var page = await world.OpenAsync(token: "gut_expired");
        await page.GetByRole(AriaRole.Button, new() { Name = "Call" }).ClickAsync();
        await Expect(page, "#problem", "This user token is not valid, or not any more. Get a new token.");
        await page.Context.CloseAsync();

        page = await world.OpenAsync();
        world.OpenAI.Http.FailNext(HttpFault.RateLimited("/v1/realtime/calls", TimeSpan.FromSeconds(1)));
        await page.GetByRole(AriaRole.Button, new() { Name = "Call" }).ClickAsync();
        await Expect(page, "#problem", "The voice model takes no more sessions at the moment. Try again in 5 seconds.");

        await page.EvaluateAsync("() => { navigator.mediaDevices.getUserMedia = () => Promise.reject(new DOMException('', 'NotAllowedError')); }");
        await page.GetByRole(AriaRole.Button, new() { Name = "Call" }).ClickAsync();
        await Expect(page, "#problem", "The microphone is blocked.");
        (await page.Locator("#problem").GetAttributeAsync("role")).ShouldBe("alert");
        await page.Context.CloseAsync();
    }

    [Fact]
    public async Task The_page_fits_a_phone_and_loads_nothing_from_elsewhere()
    {
        var requests = new List<string>();
        var page = await world.OpenAsync(change: new BrowserNewContextOptions { ViewportSize = new() { Width = 360, Height = 640 }, IsMobile = true, HasTouch = true });
        page.Request += (_, request) => requests.Add(request.Url);
        var complaints = new List<string>();
        page.Console += (_, message) => complaints.Add(message.Text);
        var response = await page.ReloadAsync();

        (await page.EvaluateAsync<int>("document.documentElement.scrollWidth")).ShouldBeLessThanOrEqualTo(360);
        requests.ShouldAllBe(url => url.StartsWith(world.Address.AbsoluteUri, StringComparison.Ordinal));
        complaints.ShouldBeEmpty();
        var headers = await response!.AllHeadersAsync();
        headers["content-security-policy"].ShouldContain("default-src 'none'");
        headers["x-content-type-options"].ShouldBe("nosniff");
        page.Url.ShouldNotContain("gut_");
        await page.Context.CloseAsync();
    }

    [Fact]
    public async Task The_client_in_the_documentation_works()
    {
        var page = await world.OpenAsync(change: new BrowserNewContextOptions { Permissions = ["microphone"], BypassCSP = true }); // For what the test evaluates.
        var token = await world.TokenAsync();
        await page.EvaluateAsync(
            $$"""
            async token => {
              {{DocumentedClient()}}
              window.shown = [];
              window.hangUp = await talk(token, document.querySelector('audio'), (type, data) => window.shown.push(type === 'ended' ? data.reason : type));
            }
            """,
            token);
        await page.WaitForFunctionAsync("window.shown.includes('utterance')");
        await page.EvaluateAsync("window.hangUp()");
        await page.WaitForFunctionAsync("window.shown.includes('callerHungUp')");

        (await page.EvaluateAsync<string>("window.shown[0]")).ShouldBe("agent");
        await page.Context.CloseAsync();
    }

    private static string DocumentedClient()
    {
        var directory = new DirectoryInfo(AppContext.BaseDirectory);
        while (!File.Exists(Path.Combine(directory!.FullName, "Guru.sln")))
        {
            directory = directory.Parent;
        }

        var text = File.ReadAllText(Path.Combine(directory.FullName, "docs", "webapp.md"));
        var from = text.IndexOf("```js\n", StringComparison.Ordinal) + "```js\n".Length;
        return text[from..text.IndexOf("```", from, StringComparison.Ordinal)];
    }

    private static Task Expect(IPage page, string selector, string text) => Assertions.Expect(page.Locator(selector)).ToContainTextAsync(text, new() { Timeout = 20_000 });

    /// <summary>The model's side of the latest call.</summary>
    private RtcCall LatestCall() => world.OpenAI.Calls.Entries[^1];

    private Task<CallRecord> RecordOf(RtcCall call) => world.RecordOf(new EndToEnd.Tests.Browser(call.Id, call, world));
}
