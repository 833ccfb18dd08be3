using System.Net;
using System.Text.Json.Nodes;
using Guru.Sandbox.Scenarios;

namespace Guru.Sandbox.Commands;

/// <summary>Reads what Guru recorded, as an analyst would.</summary>
public sealed class GuruClient : IDisposable
{
    const int MostAttempts = 60;

    readonly HttpClient _http;

    public GuruClient(Uri address, string analystKey) =>
        _http = new HttpClient { BaseAddress = address, DefaultRequestHeaders = { Authorization = new("Bearer", analystKey) } };

    /// <summary>The call as it stands; null while Guru does not know it.</summary>
    public async Task<GuruCall?> ReadAsync(string callSid, CancellationToken cancellationToken)
    {
        if (await GetAsync($"/api/calls/{callSid}/transcript", cancellationToken) is not { } transcript)
        {
            return null;
        }

        var call = await GetAsync($"/api/calls/{callSid}", cancellationToken);
        var events = await GetPagesAsync($"/api/calls/{callSid}/events", cancellationToken);
        return new GuruCall([.. transcript["utterances"]!.AsArray().OfType<JsonNode>()], events, (string?)call?["endReason"]);
    }

    /// <summary>The conversation with a person as it stands; null while Guru does not know it.</summary>
    /// <param name="person">With the scheme. A Guru of the sandbox knows one person without a number at most.</param>
    public async Task<ConversationRecord?> ReadConversationAsync(string person, CancellationToken cancellationToken)
    {
        var address = person["whatsapp:".Length..];
        var filter = address.StartsWith('+') ? $"&phoneNumber={Uri.EscapeDataString(address)}" : "";
        var found = await GetAsync($"/api/conversations?limit=1{filter}", cancellationToken);
        return found?["items"]?.AsArray() is [{ } conversation, ..]
            ? ConversationRecord.Read(
                conversation, await GetPagesAsync($"/api/conversations/{(string?)conversation["callerId"]}/messages", cancellationToken))
            : null;
    }

    /// <summary>The consent ledger of a person once it has an entry of that type, or after a while without.</summary>
    public async Task<JsonNode> ReadConsentAsync(string callerId, string type, CancellationToken cancellationToken)
    {
        for (var attempts = 0; ; attempts++)
        {
            var ledger = await GetAsync($"/api/conversations/{callerId}/consent", cancellationToken) ?? new JsonObject { ["entries"] = new JsonArray() };
            if (attempts == MostAttempts || ledger["entries"]!.AsArray().Any(entry => (string?)entry?["type"] == type))
            {
                return ledger;
            }

            await Task.Delay(200, cancellationToken);
        }
    }

    public void Dispose() => _http.Dispose();

    private async Task<List<JsonNode>> GetPagesAsync(string path, CancellationToken cancellationToken)
    {
        var items = new List<JsonNode>();
        string? cursor = null;
        do
        {
            var page = await GetAsync($"{path}?limit=200{(cursor is null ? "" : $"&cursor={Uri.EscapeDataString(cursor)}")}", cancellationToken);
            items.AddRange(page?["items"]?.AsArray().OfType<JsonNode>() ?? []);
            cursor = (string?)page?["next"];
        }
        while (cursor is not null);
        return items;
    }

    async Task<JsonNode?> GetAsync(string path, CancellationToken cancellationToken)
    {
        using var response = await _http.GetAsync(new Uri(path, UriKind.Relative), cancellationToken);
        if (response.StatusCode == HttpStatusCode.NotFound)
        {
            return null;
        }

        response.EnsureSuccessStatusCode();
        return await JsonNode.ParseAsync(await response.Content.ReadAsStreamAsync(cancellationToken), cancellationToken: cancellationToken);
    }
}

/// <summary>A call as Guru's API tells it.</summary>
public sealed record GuruCall(IReadOnlyList<JsonNode> Utterances, IReadOnlyList<JsonNode> Events, string? EndReason)
{
    public CallRecord ToRecord() => new(
        [.. Utterances.Select(utterance => new RecordedUtterance(
            (string)utterance["speaker"]!, (string)utterance["said"]!, (string)utterance["heard"]!, (bool)utterance["interrupted"]!,
            (long)utterance["startMs"]!, (long)utterance["endMs"]!)
        {
            HeardMs = (long?)utterance["heardMs"],
            Agent = (string?)utterance["agent"],
        })],
        [.. Events.Select(@event => (string)@event["type"]!)],
        EndReason);
}
