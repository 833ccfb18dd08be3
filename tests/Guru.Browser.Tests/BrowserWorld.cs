using System.Net.Http.Json;
using System.Text.Json;
using Guru.EndToEnd.Tests;
using Guru.Sandbox.OpenAI;
using Microsoft.Playwright;

namespace Guru.Browser.Tests;

/// <summary>One world and one Chromium for all tests of pages.</summary>
[CollectionDefinition(nameof(BrowserWorld))]
public sealed class OneBrowserWorld : ICollectionFixture<BrowserWorld>;

/// <summary>
/// Guru between the sandbox and a real Chromium with a fake microphone. The media of a call go to another page of the same Chromium, which
/// answers in the place of OpenAI, so that offer, answer, ICE, DTLS, audio and data channel are real; what is said in the call is the sandbox's.
/// </summary>
public sealed class BrowserWorld : WebappWorld
{
    private IPlaywright _playwright = null!;
    private IPage _peer = null!;

    public IBrowser Chromium { get; private set; } = null!;

    public Uri Address { get; private set; } = null!;

    internal DashboardPages Dashboard { get; private set; } = null!;

    protected override OpenAIStandInOptions OpenAIOptions => new() { Peer = call => _peer.EvaluateAsync<string>("sdp => answer(sdp)", call.Offer) };

    protected override Dictionary<string, string?> Settings => new(base.Settings) { ["Guru:Recording:Enabled"] = "true" };

    public override async Task InitializeAsync()
    {
        await base.InitializeAsync();
        Address = AddressOf(Guru);
        _playwright = await Playwright.CreateAsync();
        Chromium = await _playwright.Chromium.LaunchAsync(new BrowserTypeLaunchOptions
        {
            ExecutablePath = Executable(),
            Args =
            [
                "--no-sandbox", "--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream", "--autoplay-policy=no-user-gesture-required",
                "--allow-loopback-in-peer-connection", "--disable-features=WebRtcHideLocalIpsWithMdns",
            ],
        });
        _peer = await Chromium.NewPageAsync();
        await _peer.AddScriptTagAsync(new PageAddScriptTagOptions
        {
            Content = """
                window.answer = async sdp => {
                  const connection = window.connection = new RTCPeerConnection(), tone = new AudioContext();
                  connection.ondatachannel = e => {
                    window.channel = e.channel.label;
                    e.channel.onclose = () => { connection.close(); tone.close(); };
                  };
                  const sound = tone.createOscillator(), out = tone.createMediaStreamDestination();
                  sound.connect(out);
                  sound.start();
                  connection.addTrack(out.stream.getTracks()[0], out.stream);
                  await connection.setRemoteDescription({ type: 'offer', sdp });
                  await connection.setLocalDescription();
                  while (connection.iceGatheringState !== 'complete') {
                    await new Promise(changed => { connection.onicegatheringstatechange = changed; });
                  }
                  return connection.localDescription.sdp;
                };
                window.heardBytes = async () => {
                  for (const report of (await connection.getStats()).values()) {
                    if (report.type === 'inbound-rtp') { return report.bytesReceived; }
                  }
                  return 0;
                };
                """,
        });
        Dashboard = new DashboardPages(this);
        await Dashboard.FillAsync();
    }

    public override async Task DisposeAsync()
    {
        await Chromium.DisposeAsync();
        _playwright.Dispose();
        await base.DisposeAsync();
    }

    /// <summary>The page, opened as a webapp's backend would: with a token for its user.</summary>
    /// <param name="change">Of the browser that opens it.</param>
    public async Task<IPage> OpenAsync(string? token = null, BrowserNewContextOptions? change = null)
    {
        var context = await Chromium.NewContextAsync(change ?? new BrowserNewContextOptions { Permissions = ["microphone"] });
        var page = await context.NewPageAsync();
        await page.GotoAsync(new Uri(Address, $"/voice#token={Uri.EscapeDataString(token ?? await TokenAsync())}").AbsoluteUri);
        return page;
    }

    public async Task<string> TokenAsync()
    {
        using var response = await PostAsync("tokens", new { });
        return (await response.Content.ReadFromJsonAsync<JsonElement>()).GetProperty("token").GetString()!;
    }

    /// <summary>How much of the browser's audio has come to the other side.</summary>
    public Task<long> HeardBytesAsync() => _peer.EvaluateAsync<long>("heardBytes()");

    public Task<string> ChannelAsync() => _peer.EvaluateAsync<string>("channel");

    private static string Executable() =>
        new[] { System.Environment.GetEnvironmentVariable("CHROMIUM"), "/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome" }
            .FirstOrDefault(File.Exists) ?? throw new FileNotFoundException("There is no Chromium: install the package chromium, or set CHROMIUM.");
}
