using System.Text.RegularExpressions;
using Guru.EndToEnd.Tests;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Microsoft.Playwright;

namespace Guru.Browser.Tests;

/// <summary>The dashboard of a <see cref="BrowserWorld"/> that is filled with calls, and browsers that have signed in.</summary>
internal sealed class DashboardPages(BrowserWorld world)
{
    private readonly Dictionary<string, string> _signedIn = [];

    public static readonly string[] Pages =
        ["/", "/calls", $"/calls/{SampleCallCenter.CutSid}", "/search?q=bill", "/live", "/callers/{maria}", "/settings"];

    public SampleCallCenter Center { get; } = new(world.Guru.App.Services);

    /// <summary>What the log says since the world began.</summary>
    public LogLines Log { get; } = new();

    /// <summary>What the overview shows while nobody has called.</summary>
    public string EmptyOverview { get; private set; } = "";

    public async Task FillAsync()
    {
        world.Guru.App.Services.GetRequiredService<ILoggerFactory>().AddProvider(Log);
        var page = await OpenAsync("/");
        EmptyOverview = await page.InnerTextAsync("main");
        await page.Context.CloseAsync();
        await Center.FillAsync(DateTimeOffset.UtcNow);
    }

    public string PathOf(string page) => page.Replace("{maria}", Center.Maria.Value, StringComparison.Ordinal);

    public Uri AddressOf(string page) => new(world.Address, PathOf(page));

    public async Task<IPage> OpenAsync(string path, string key = World.AnalystKey, Action<BrowserNewContextOptions>? change = null)
    {
        var page = await (await ContextAsync(key, change)).NewPageAsync();
        await page.GotoAsync(AddressOf(path).AbsoluteUri);
        await ReadyAsync(page);
        return page;
    }

    public async Task<IBrowserContext> ContextAsync(string key = World.AnalystKey, Action<BrowserNewContextOptions>? change = null)
    {
        if (!_signedIn.TryGetValue(key, out var state))
        {
            var page = await world.Chromium.NewPageAsync();
            await SignInAsync(page, key);
            _signedIn[key] = state = await page.Context.StorageStateAsync();
            await page.Context.CloseAsync();
        }

        var options = new BrowserNewContextOptions { StorageState = state, ViewportSize = new() { Width = 1400, Height = 900 } };
        change?.Invoke(options);
        return await world.Chromium.NewContextAsync(options);
    }

    public async Task SignInAsync(IPage page, string key)
    {
        if (!page.Url.Contains("/login", StringComparison.Ordinal))
        {
            await page.GotoAsync(AddressOf("/login").AbsoluteUri);
        }

        await page.GetByLabel("Key", new() { Exact = true }).FillAsync(key);
        await page.GetByRole(AriaRole.Button, new() { Name = "Sign in" }).ClickAsync();
        await Assertions.Expect(page).Not.ToHaveURLAsync(Matching("/login"));
    }

    /// <summary>The page has read what it shows.</summary>
    public static async Task ReadyAsync(IPage page)
    {
        await page.Locator("h1").First.WaitForAsync();
        if (await page.Locator("script[src*='blazor.web']").CountAsync() > 0)
        {
            await page.Locator("[data-interactive]").WaitForAsync(new() { Timeout = 20_000 }); // What is typed before goes with what is replaced then.
        }

        await Assertions.Expect(page.Locator(".waiting")).ToHaveCountAsync(0, new() { Timeout = 20_000 });
        await Assertions.Expect(page.Locator("text=Connecting …")).ToHaveCountAsync(0, new() { Timeout = 20_000 });
        foreach (var chart in await page.Locator(".chart").AllAsync())
        {
            await chart.Locator("path").First.WaitForAsync(new() { State = WaitForSelectorState.Attached });
        }
    }

    public static Regex Matching(string pattern) => new(pattern, RegexOptions.None, TimeSpan.FromSeconds(1));

    public static string Artifacts
    {
        get
        {
            var directory = new DirectoryInfo(AppContext.BaseDirectory);
            while (!File.Exists(Path.Combine(directory!.FullName, "Guru.sln")))
            {
                directory = directory.Parent;
            }

            return Directory.CreateDirectory(Path.Combine(directory.FullName, "artifacts", "screenshots")).FullName;
        }
    }
}

/// <summary>Keeps what is logged.</summary>
internal sealed class LogLines : ILoggerProvider
{
    private readonly System.Collections.Concurrent.ConcurrentQueue<string> _lines = new();

    public IEnumerable<string> Lines => _lines;

    public ILogger CreateLogger(string categoryName) => new Logger(_lines);

    public void Dispose()
    {
    }

    private sealed class Logger(System.Collections.Concurrent.ConcurrentQueue<string> lines) : ILogger
    {
        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => true;

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter) =>
            lines.Enqueue(formatter(state, exception));
    }
}
