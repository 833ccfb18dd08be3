using System.Text.Json;
using System.Text.Json.Nodes;
using Guru.Sandbox.OpenAI;
using Guru.Sandbox.Twilio;

namespace Guru.EndToEnd.Tests;

/// <summary>
/// A call as OpenAI's stand-in saw it, in order: what it told of the caller, what it said itself, and what both used; under the names that Guru has for them, the
/// session's id and the item's or the response's. What broke off with its socket is as much as went out.
/// </summary>
internal sealed record ModelsAccount(
    IReadOnlyList<(string Id, string Words)> Caller, IReadOnlyList<(string Id, string Words)> Agent, IReadOnlyDictionary<string, long> Truncated, IReadOnlyList<ModelsUsage> Usages)
{
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(30);

    public static IReadOnlyList<RealtimeConnection> SessionsOf(OpenAIStandIn openAI, PlacedCall call, string callerId) =>
        [.. openAI.Sessions.Entries.Where(session => session.SafetyIdentifier == callerId && session.OpenedAt >= call.CreatedAt && session.OpenedAt <= call.EndedAt)];

    /// <summary>Waits until the sessions of a call that is over are over too: none stays open.</summary>
    public static async Task<ModelsAccount> OfAsync(OpenAIStandIn openAI, PlacedCall call, string callerId)
    {
        await call.Completion;
        var sessions = SessionsOf(openAI, call, callerId);
        await Task.WhenAll(sessions.Select(session => session.Ended)).WaitAsync(Limit);
        var (caller, agent, usages) = (new List<(string, string)>(), new List<(string, string)>(), new List<ModelsUsage>());
        foreach (var session in sessions)
        {
            var id = session.Read(state => state.Id);
            var words = new OrderedDictionary<string, string>(StringComparer.Ordinal);
            foreach (var told in session.Events.Entries.Where(told => !told.FromClient))
            {
                switch (told.Type)
                {
                    case "conversation.item.input_audio_transcription.completed":
                        caller.Add(($"{id}:{told.Json["item_id"]}", $"{told.Json["transcript"]}"));
                        usages.Add(ModelsUsage.OfTranscription($"{id}:{told.Json["item_id"]}", told.Json["usage"]!));
                        break;
                    case "response.output_audio_transcript.delta":
                        words[$"{id}:{told.Json["item_id"]}"] = words.GetValueOrDefault($"{id}:{told.Json["item_id"]}") + told.Json["delta"];
                        break;
                    case "response.output_audio_transcript.done":
                        words[$"{id}:{told.Json["item_id"]}"] = $"{told.Json["transcript"]}";
                        break;
                    case "response.done" when told.Json["response"]!["usage"] is { } usage:
                        usages.Add(ModelsUsage.OfResponse($"{id}:{told.Json["response"]!["id"]}", usage));
                        break;
                }
            }

            agent.AddRange(words.Select(item => (item.Key, item.Value)));
        }

        var truncated = sessions.SelectMany(session => session.Read(state => state.Truncations.Where(cut => cut.Accepted).Select(cut => (Id: $"{state.Id}:{cut.ItemId}", cut.AudioEndMs)).ToList()));
        return new ModelsAccount(caller, agent, truncated.ToDictionary(cut => cut.Id, cut => cut.AudioEndMs), usages);
    }
}

/// <summary>What a response or a transcription used, as the model says, and as <c>UsageRecorded</c> does.</summary>
internal sealed record ModelsUsage(string Kind, string Id, long InputText, long InputAudio, long CachedText, long CachedAudio, long OutputText, long OutputAudio, double Seconds)
{
    public static ModelsUsage OfResponse(string id, JsonNode usage)
    {
        var (read, cached, made) = (usage["input_token_details"], usage["input_token_details"]!["cached_tokens_details"], usage["output_token_details"]);
        return new ModelsUsage(
            "response", id, Of(read, "text_tokens"), Of(read, "audio_tokens"), Of(cached, "text_tokens"), Of(cached, "audio_tokens"), Of(made, "text_tokens"), Of(made, "audio_tokens"), Seconds: 0);
    }

    /// <summary>By tokens or by time.</summary>
    public static ModelsUsage OfTranscription(string id, JsonNode usage) => new(
        "transcription", id, 0, Of(usage["input_token_details"], "audio_tokens"), 0, 0, Of(usage, "output_tokens"), 0, (double?)usage["seconds"] ?? 0);

    public static ModelsUsage Recorded(JsonElement usage)
    {
        var seconds = usage.GetProperty("seconds");
        return OfTokens(usage.GetProperty("tokens")) with
        {
            Kind = usage.GetProperty("kind").GetString()!, Id = usage.GetProperty("usageId").GetString()!, Seconds = seconds.ValueKind == JsonValueKind.Number ? seconds.GetDouble() : 0,
        };
    }

    public static ModelsUsage OfTokens(JsonElement tokens)
    {
        long Of(string member) => tokens.GetProperty(member).GetInt64();
        return new ModelsUsage("", "", Of("inputText"), Of("inputAudio"), Of("cachedText"), Of("cachedAudio"), Of("outputText"), Of("outputAudio"), Seconds: 0);
    }

    /// <summary>Of the responses, as a call shows it.</summary>
    public static ModelsUsage Sum(IEnumerable<ModelsUsage> usages)
    {
        var responses = usages.Where(usage => usage.Kind == "response").ToList();
        long Of(Func<ModelsUsage, long> tokens) => responses.Sum(tokens);
        return new ModelsUsage(
            "", "", Of(usage => usage.InputText), Of(usage => usage.InputAudio), Of(usage => usage.CachedText), Of(usage => usage.CachedAudio), Of(usage => usage.OutputText),
            Of(usage => usage.OutputAudio), Seconds: 0);
    }

    private static long Of(JsonNode? details, string member) => (long?)details?[member] ?? 0;
}

internal static class Sessions
{
    /// <summary>Longer than it takes to answer a dial that was under way when its call ended.</summary>
    private static readonly TimeSpan Dialling = TimeSpan.FromSeconds(1);

    /// <summary>Longer than a stand-in on a busy machine takes for that. By then Guru has let go of it, and says nothing.</summary>
    private static readonly TimeSpan LateDialling = TimeSpan.FromSeconds(5);

    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(30);

    /// <summary>Every session that was accepted was for a call on record, and while it went on.</summary>
    public static Task SessionsShouldBeOfCallsOnRecordAsync(this OpenAIStandIn openAI, HttpClient analyst) => openAI.Sessions.Entries.ShouldBeOfCallsOnRecordAsync(analyst);

    /// <inheritdoc cref="SessionsShouldBeOfCallsOnRecordAsync"/>
    public static async Task ShouldBeOfCallsOnRecordAsync(this IReadOnlyList<RealtimeConnection> accepted, HttpClient analyst)
    {
        foreach (var sessions in accepted.GroupBy(session => session.SafetyIdentifier))
        {
            var calls = JsonElement.Parse(await analyst.GetStringAsync($"/api/calls?limit=200&callerId={sessions.Key}")).GetProperty("items").EnumerateArray()
                .Select(call => (From: call.GetProperty("startedAt").GetDateTimeOffset(), To: call.GetProperty("endedAt") is { ValueKind: JsonValueKind.String } ended ? ended.GetDateTimeOffset() : DateTimeOffset.MaxValue - LateDialling)).ToList();
            sessions.ShouldAllBe(session => calls.Exists(call => call.From <= session.OpenedAt && session.OpenedAt <= call.To + LateDialling));
            foreach (var late in sessions.Where(session => !calls.Exists(call => call.From <= session.OpenedAt && session.OpenedAt <= call.To + Dialling)))
            {
                await late.Ended.WaitAsync(Limit);
                late.Events.Entries.Where(told => told.FromClient).Select(told => told.Type).ShouldBe(["closed"]);
            }
        }
    }
}
