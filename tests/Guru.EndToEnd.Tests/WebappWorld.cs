using System.Net;
using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Net.ServerSentEvents;
using System.Text.Json;
using Guru.Sandbox.OpenAI;
using Guru.Sandbox.Timing;

namespace Guru.EndToEnd.Tests;

/// <summary>Guru with a webapp before it.</summary>
public class WebappWorld : World
{
    /// <summary>As a browser makes it, as far as anybody reads it here.</summary>
    public const string Offer = "v=0\r\no=- 1 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=mid:0\r\na=sendrecv\r\na=rtpmap:111 opus/48000/2\r\n";

    public HttpClient Webapp { get; private set; } = null!;

    protected override Dictionary<string, string?> Settings => new()
    {
        ["Guru:Webapp:AbsenceSeconds"] = "1",
        ["Guru:Webapp:SessionsPerMinutePerCaller"] = "1000",
        ["Guru:Traces:Enabled"] = "true",
        ["Guru:Recording:Enabled"] = "true",
    };

    public override async Task InitializeAsync()
    {
        await base.InitializeAsync();
        Webapp = ClientFor(AddressOf(Guru), WebappKey);
    }

    public override async Task DisposeAsync()
    {
        Webapp.Dispose();
        await base.DisposeAsync();
    }

    public Task<HttpResponseMessage> PostAsync(string what, object body, string? bearer = null) =>
        SendAsync(HttpMethod.Post, what, JsonContent.Create(body), bearer);

    public Task<HttpResponseMessage> OfferAsync(string query = "", string? bearer = null, string sdp = Offer, string type = "application/sdp") =>
        SendAsync(HttpMethod.Post, "calls" + query, new StringContent(sdp, new MediaTypeHeaderValue(type)), bearer);

    /// <param name="bearer">Null: the webapp's key; empty: none.</param>
    public async Task<HttpResponseMessage> SendAsync(
        HttpMethod method, string what, HttpContent? body, string? bearer = null, Action<HttpRequestMessage>? change = null)
    {
        using var client = new HttpClient();
        using var request = new HttpRequestMessage(method, new Uri(Webapp.BaseAddress!, $"/api/voice-agent/{what}")) { Content = body };
        request.Headers.Authorization = bearer == "" ? null : new AuthenticationHeaderValue("Bearer", bearer ?? WebappKey);
        change?.Invoke(request);
        return await client.SendAsync(request);
    }

    /// <summary>A browser that has called, and listens to its call.</summary>
    internal async Task<Browser> CallAsync(string query = "", bool listens = true)
    {
        using var response = await OfferAsync(query);
        response.StatusCode.ShouldBe(HttpStatusCode.Created);
        var id = response.Headers.Location!.OriginalString.Split('/')[^1];
        var browser = new Browser(id, OpenAI.Calls.Entries.Single(call => call.Id == id), this);
        if (listens)
        {
            await browser.ListenAsync();
        }

        return browser;
    }

    public async Task<IReadOnlyList<JsonElement>> TimelineAsync(string phoneNumber)
    {
        var conversations = await GetAsync($"/api/conversations?phoneNumber={Uri.EscapeDataString(phoneNumber)}");
        var callerId = conversations.GetProperty("items")[0].GetProperty("callerId").GetString();
        return [.. (await GetAsync($"/api/conversations/{callerId}/messages")).GetProperty("items").EnumerateArray()];
    }

    /// <summary>The record of a call once it is over and everything about it is stored.</summary>
    internal async Task<CallRecord> RecordOf(Browser browser)
    {
        await browser.Call.Over.WaitAsync(TimeSpan.FromSeconds(30));
        await Guru.App.Services.PaperworkDone();
        return await ReadAsync(browser.Id);
    }
}

/// <summary>What the page does, without a page: it listens to the events of its call.</summary>
internal sealed class Browser(string id, RtcCall call, WebappWorld world)
{
    private readonly CancellationTokenSource _gone = new();

    public string Id { get; } = id;

    /// <summary>The model's side of the call.</summary>
    public RtcCall Call { get; } = call;

    public Journal<(string Type, JsonElement Data)> Shown { get; } = new();

    public async Task ListenAsync()
    {
        var response = await world.Webapp.GetAsync($"/api/voice-agent/calls/{Id}/events", HttpCompletionOption.ResponseHeadersRead);
        response.StatusCode.ShouldBe(HttpStatusCode.OK);
        _ = Task.Run(() => ReadAsync(response));
    }

    public async Task HangUpAsync()
    {
        using var response = await world.SendAsync(HttpMethod.Delete, $"calls/{Id}", body: null);
        response.StatusCode.ShouldBe(HttpStatusCode.NoContent);
    }

    /// <summary>The tab is killed: its connections are gone, and nobody says why.</summary>
    public void IsKilled() => _gone.Cancel();

    public Task HeardAsync(string words) => Shown.WaitAsync(
        shown => shown.Type == "utterance" && shown.Data.GetProperty("heard").GetString()!.Contains(words, StringComparison.Ordinal));

    public Task<WireEvent> PlayingAsync(int response) => Call.Events.WaitAsync(
        _ => Call.Events.Entries.Count(e => e.Type == "output_audio_buffer.started") >= response);

    private async Task ReadAsync(HttpResponseMessage response)
    {
        try
        {
            using var owned = response;
            await using var body = await response.Content.ReadAsStreamAsync(_gone.Token);
            await foreach (var item in SseParser.Create(body).EnumerateAsync(_gone.Token))
            {
                Shown.Add((item.EventType, JsonDocument.Parse(item.Data).RootElement));
            }
        }
        catch (Exception e) when (e is OperationCanceledException or IOException or HttpRequestException)
        {
            // Killed.
        }

        Shown.Add(("closed", default));
    }
}
