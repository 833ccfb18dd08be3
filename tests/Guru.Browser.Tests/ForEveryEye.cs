using System.Text.Json;
using Guru.EndToEnd.Tests;
using Microsoft.Playwright;
using static Microsoft.Playwright.Assertions;

namespace Guru.Browser.Tests;

/// <summary>Whether everybody can read and use the pages at /: by day and by night, on a desk and on a phone, with the keyboard alone.</summary>
[Collection(nameof(BrowserWorld))]
public sealed class ForEveryEye(BrowserWorld world)
{
    /// <summary>Texts whose contrast to what lies behind them is below WCAG AA: 4.5, or 3 for large ones.</summary>
    private const string LowContrast =
        """
        () => {
          const read = color => { const part = color.match(/[\d.]+/g).map(Number); return { rgb: part.slice(0, 3), alpha: part[3] ?? 1 }; };
          const over = (top, under) => top.rgb.map((value, at) => value * top.alpha + under[at] * (1 - top.alpha));
          const luminance = rgb => rgb.map(value => value / 255).map(value => value <= 0.03928 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4)
            .reduce((sum, value, at) => sum + value * [0.2126, 0.7152, 0.0722][at], 0);
          const ground = element => {
            const layers = [];
            for (let at = element; at; at = at.parentElement) { layers.push(read(getComputedStyle(at).backgroundColor)); }
            return layers.reverse().reduce((under, layer) => over(layer, under), [255, 255, 255]);
          };
          const opacity = element => { let all = 1; for (let at = element; at; at = at.parentElement) { all *= Number(getComputedStyle(at).opacity); } return all; };
          const found = [];
          const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
          while (texts.nextNode()) {
            const text = texts.currentNode.textContent.trim(), element = texts.currentNode.parentElement, style = getComputedStyle(element);
            if (!text || !element.checkVisibility({ visibilityProperty: true }) || element.closest('script, style, .visually-hidden')) { continue; }
            const drawn = element instanceof SVGElement ? style.fill : style.color;
            const under = ground(element), ink = read(drawn);
            const color = over({ rgb: ink.rgb, alpha: ink.alpha * opacity(element) }, under);
            const [light, dark] = [luminance(color), luminance(under)].sort((a, b) => b - a);
            const ratio = (light + 0.05) / (dark + 0.05), size = parseFloat(style.fontSize);
            const least = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700) ? 3 : 4.5;
            if (ratio < least) { found.push(`${ratio.toFixed(2)} ${element.tagName.toLowerCase()}.${element.getAttribute('class')}: ${text.slice(0, 40)}`); }
          }
          return [texts.root.innerText.length, ...new Set(found)];
        }
        """;

    /// <summary>Controls that have no name.</summary>
    private const string Unnamed =
        """
        () => [...document.querySelectorAll('a[href], button, input, select, textarea, summary, [role=log], [role=region]')]
          .filter(e => e.checkVisibility() && !e.closest('[aria-hidden=true]'))
          .filter(e => !(e.getAttribute('aria-label') || e.getAttribute('aria-labelledby') || e.innerText?.trim() || [...(e.labels ?? [])].some(l => l.innerText.trim())))
          .map(e => e.outerHTML.slice(0, 120))
        """;

    [Theory]
    [MemberData(nameof(PagesAndSignIn))]
    public async Task Every_page_can_be_read_by_day_and_by_night_on_a_desk_and_on_a_phone(string path)
    {
        var page = await (await world.Dashboard.ContextAsync(World.OperatorKey)).NewPageAsync();
        var (complaints, requests) = (new List<string>(), new List<string>());
        page.Console += (_, message) => complaints.AddRange(message.Type is "error" or "warning" ? [message.Text] : []);
        page.Request += (_, request) => requests.Add(request.Url);
        await page.GotoAsync(world.Dashboard.AddressOf(path).AbsoluteUri);
        await DashboardPages.ReadyAsync(page);
        foreach (var width in new[] { 1400, 390 })
        {
            await page.SetViewportSizeAsync(width, 900);
            foreach (var scheme in new[] { ColorScheme.Light, ColorScheme.Dark })
            {
                await page.EmulateMediaAsync(new() { ColorScheme = scheme });
                await page.ScreenshotAsync(new() { Path = Path.Combine(DashboardPages.Artifacts, FileOf(path, scheme, width)), FullPage = true });
                var seen = await page.EvaluateAsync<JsonElement>(LowContrast);
                seen[0].GetInt32().ShouldBeGreaterThan(20);
                seen.EnumerateArray().Skip(1).Select(text => text.GetString()).ShouldBeEmpty($"{scheme} {width}");
            }

            (await page.EvaluateAsync<string[]>(Unnamed)).ShouldBeEmpty();
            (await page.EvaluateAsync<int>("document.documentElement.scrollWidth")).ShouldBeLessThanOrEqualTo(width);
        }

        complaints.ShouldBeEmpty();
        requests.ShouldAllBe(url => url.StartsWith(world.Address.AbsoluteUri, StringComparison.Ordinal) || url.StartsWith("data:", StringComparison.Ordinal));
        await page.Context.CloseAsync();
    }

    [Fact]
    public async Task The_contrast_check_sees_a_pale_text()
    {
        var page = await world.Chromium.NewPageAsync();
        await page.SetContentAsync("<p style='color:#777'>almost</p><p style='color:#888'>pale</p><p style='opacity:0.4'>faint</p><p style='color:#888;font-size:30px'>large</p>");

        var seen = await page.EvaluateAsync<JsonElement>(LowContrast);

        seen.EnumerateArray().Skip(1).Select(text => text.GetString()!.Split(": ")[1]).ShouldBe(["almost", "pale", "faint"]);
        await page.Context.CloseAsync();
    }

    [Theory]
    [MemberData(nameof(Pages))]
    public async Task Every_page_is_used_with_the_keyboard_alone(string path)
    {
        var page = await world.Dashboard.OpenAsync(path);
        int reachable;
        do
        {
            reachable = await FocusFirstAsync(page);
        }
        while (!await StaysOnSkipAsync(page)); // The router moves the focus to the heading, once, after the page has become interactive.

        (await TopOfSkipAsync(page)).ShouldBeGreaterThanOrEqualTo(0); // It is seen while it has the focus.

        var passed = new List<string>();
        for (var press = 0; press < reachable + 40; press++)
        {
            await page.Keyboard.PressAsync("Tab");
            var focused = await page.EvaluateAsync<JsonElement?>(
                """
                () => {
                  const e = document.activeElement;
                  if (!e || e === document.body) { return null; }
                  window.tabbed ??= new Map();
                  if (!window.tabbed.has(e)) { window.tabbed.set(e, window.tabbed.size); }
                  const style = getComputedStyle(e);
                  return { id: window.tabbed.get(e), name: (e.innerText || e.getAttribute('aria-label') || e.outerHTML).slice(0, 80),
                           visible: (style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 1) || style.boxShadow !== 'none' };
                }
                """);
            if (focused is not { ValueKind: JsonValueKind.Object } element)
            {
                break; // The keyboard has left the page: no trap.
            }

            element.GetProperty("visible").GetBoolean().ShouldBeTrue($"{path}: nothing shows that {element.GetProperty("name")} has the focus");
            passed.Add(element.GetProperty("name").GetString()!);
        }

        passed.Count.ShouldBeGreaterThanOrEqualTo(8, path);
        passed.Count.ShouldBeLessThanOrEqualTo(reachable + 20, path);
        await page.Context.CloseAsync();
    }

    /// <summary>Of the link over everything else, which is another element once the page has become interactive.</summary>
    /// <summary>Whether it has the focus, two pictures later too.</summary>
    private static Task<bool> StaysOnSkipAsync(IPage page) => page.Locator(".skip").EvaluateAsync<bool>(
        "link => new Promise(told => requestAnimationFrame(() => requestAnimationFrame(() => told(document.activeElement === link))))");

    private static Task<double> TopOfSkipAsync(IPage page) => page.Locator(".skip").EvaluateAsync<double>("link => link.getBoundingClientRect().top");

    /// <returns>How many places the keyboard can reach.</returns>
    private static Task<int> FocusFirstAsync(IPage page) => page.EvaluateAsync<int>(
        """
        () => {
          const all = [...document.querySelectorAll('a[href], button, input, select, textarea, summary, audio[controls], [tabindex]')]
            .filter(e => e.tabIndex >= 0 && !e.disabled && e.checkVisibility());
          all[0].focus();
          return all.length;
        }
        """);

    public static TheoryData<string> Pages => [.. DashboardPages.Pages];

    public static TheoryData<string> PagesAndSignIn => [.. DashboardPages.Pages, "/login"];

    [Fact]
    public async Task The_skip_link_leads_past_the_navigation_and_Enter_opens_a_call()
    {
        var page = await world.Dashboard.OpenAsync("/calls");
        await page.Locator(".skip").FocusAsync();
        await page.Keyboard.PressAsync("Enter");
        await Expect(page).ToHaveURLAsync(DashboardPages.Matching("/calls#main$"));
        await Expect(page.Locator("main")).ToBeFocusedAsync();

        await page.Locator(".grid tbody tr").First.GetByRole(AriaRole.Link).First.FocusAsync();
        await page.Keyboard.PressAsync("Enter");
        await Expect(page.Locator("h1")).ToContainTextAsync("Call of");
        await page.Context.CloseAsync();
    }

    [Fact]
    public async Task The_switch_changes_light_for_dark_and_the_choice_stays()
    {
        var page = await world.Dashboard.OpenAsync("/settings", change: options => options.ColorScheme = ColorScheme.Light);
        var day = await GroundAsync();
        await page.GetByRole(AriaRole.Button, new() { Name = "Light or dark" }).ClickAsync();
        (await GroundAsync()).ShouldNotBe(day);
        var night = await GroundAsync();
        await page.ReloadAsync();
        (await GroundAsync()).ShouldBe(night);
        await page.Context.CloseAsync();

        Task<string> GroundAsync() => page.EvaluateAsync<string>("getComputedStyle(document.body).backgroundColor");
    }

    private static string FileOf(string path, ColorScheme scheme, int width)
    {
        var name = path.Split('?')[0].Trim('/').Split('/') switch
        {
            [""] => "overview",
            ["calls", _] => "call",
            ["callers", _] => "caller",
            [var one, ..] => one,
            [] => "page",
        };
        return $"{name}-{scheme.ToString().ToLowerInvariant()}-{width}.png";
    }
}
