using System.Text;
using System.Text.Json;
using Guru.Application.Voice;

namespace Guru.Infrastructure.OpenAI;

/// <summary>The model's events that matter to a call, one line each. What is optional at the vendor is optional here.</summary>
internal static class RealtimeEvents
{
    private static readonly Dictionary<string, Func<JsonElement, ModelEvent?>> Readers = new(StringComparer.Ordinal)
    {
        ["error"] = e => Errored(e.At("error")),

        ["input_audio_buffer.speech_started"] = e => new SpeechStarted(e.Id("item_id"), e.Whole("audio_start_ms")),
        ["input_audio_buffer.speech_stopped"] = e => new SpeechStopped(e.Id("item_id"), e.Whole("audio_end_ms")),
        ["input_audio_buffer.committed"] = e => new TurnCommitted(e.Id("item_id"), e.Text("previous_item_id")),

        ["conversation.item.input_audio_transcription.completed"] = e =>
            new CallerTranscribed(e.Id("item_id"), e.Words("transcript") ?? "", Language(e), TranscriptionUsage(e.At("usage"))),
        ["conversation.item.input_audio_transcription.failed"] = e => new CallerTranscriptionFailed(e.Id("item_id"), e.At("error").Code()),

        ["response.created"] = e => new ResponseCreated(e.At("response").Id("id"), Purpose(e)),
        ["response.output_item.added"] = e => new OutputItemAdded(e.Text("response_id") ?? "", e.At("item").Id("id"), e.At("item").Text("type") ?? ""),
        ["response.output_audio_transcript.delta"] = e =>
            new AgentTranscriptDelta(e.Text("response_id") ?? "", e.Id("item_id"), e.Words("delta") ?? "", e.Count("content_index")),
        ["response.output_audio_transcript.done"] = e =>
            new AgentTranscriptDone(e.Text("response_id") ?? "", e.Id("item_id"), e.Words("transcript") ?? "", e.Count("content_index")),
        ["response.output_audio.done"] = e => new AgentAudioDone(e.Text("response_id") ?? "", e.Id("item_id"), e.Count("content_index")),
        ["response.function_call_arguments.done"] = CallOfArguments,
        ["response.output_item.done"] = CallOfItem,
        ["response.done"] = e => Done(e.At("response")),

        // By sideband only, where the vendor's side plays to the caller.
        ["output_audio_buffer.started"] = e => new PlaybackStarted(e.Id("response_id")),
        ["output_audio_buffer.stopped"] = e => new PlaybackStopped(e.Id("response_id")),
        ["output_audio_buffer.cleared"] = e => new PlaybackCleared(e.Id("response_id")),
        ["conversation.item.truncated"] = e => new ItemTruncated(e.Id("item_id"), e.Whole("audio_end_ms")),
        ["conversation.item.done"] = e => new ItemDone(e.At("item").Id("id"), e.Text("previous_item_id")),
        ["conversation.item.retrieved"] = e => new ItemRetrieved(e.At("item").Id("id"), e.At("item").Text("role") ?? "", Words(e.At("item"))),
    };

    private static readonly Dictionary<string, Func<JsonElement, ModelEvent?>>.AlternateLookup<ReadOnlySpan<char>> ByName =
        Readers.GetAlternateLookup<ReadOnlySpan<char>>();

    public static bool IsKnown(ReadOnlySpan<byte> type)
    {
        Span<char> name = stackalloc char[128];
        return type.Length <= name.Length && ByName.ContainsKey(name[..Encoding.UTF8.GetChars(type, name)]);
    }

    /// <exception cref="JsonException">There is no member without which the event means nothing.</exception>
    public static ModelEvent? Read(JsonElement @event) =>
        Readers.TryGetValue(@event.Id("type"), out var read) ? read(@event) : throw new JsonException("The type is told twice, and differently.");

    /// <summary>The vendor sends this for cut responses as well, with arguments that may be cut too.</summary>
    private static ToolCalled? CallOfArguments(JsonElement e) =>
        e.Text("name") is { } name && e.Words("arguments") is { } arguments && IsJson(arguments)
            ? new ToolCalled(e.Text("response_id") ?? "", e.Text("item_id") ?? "", e.Id("call_id"), name, arguments)
            : null;

    private static ToolCalled? CallOfItem(JsonElement e)
    {
        var item = e.At("item");
        return item.Text("type") == "function_call" && item.Text("status") is null or "completed"
            ? new ToolCalled(e.Text("response_id") ?? "", item.Id("id"), item.Id("call_id"), item.Id("name"), item.Words("arguments") ?? "{}")
            : null;
    }

    private static ModelErrored Errored(JsonElement error) =>
        new(error.Code(), error.Text("event_id"), RetryAfter.InWords(error.Text("message")), RealtimeRefusals.IsOfAll(error));

    private static ResponseDone Done(JsonElement response)
    {
        var details = response.At("status_details");
        var error = details.At("error");
        return new ResponseDone(
            response.Id("id"),
            response.At("metadata").Text("purpose"),
            response.Text("status") ?? "completed",
            details.Text("reason"),
            error.Code(),
            ResponseUsage(response.At("usage")),
            RetryAfter.InWords(error.Text("message")),
            RealtimeRefusals.IsOfAll(error));
    }

    /// <summary>The transcript or text of an item; null while it has none.</summary>
    private static string? Words(JsonElement item)
    {
        var content = item.At("content");
        List<string> words = content.ValueKind == JsonValueKind.Array
            ? [.. content.EnumerateArray().Select(part => part.Words("transcript") ?? part.Words("text")).OfType<string>()]
            : [];
        return words.Count == 0 ? null : string.Join(' ', words);
    }

    private static string? Purpose(JsonElement e) => e.At("response").At("metadata").Text("purpose");

    private static string? Language(JsonElement e)
    {
        var languages = e.At("languages");
        if (languages.ValueKind != JsonValueKind.Array || languages.GetArrayLength() == 0)
        {
            return e.Text("language");
        }

        var first = languages[0];
        return first.ValueKind == JsonValueKind.String ? first.GetString() : first.Text("code");
    }

    private static ModelUsage? ResponseUsage(JsonElement usage)
    {
        if (usage.ValueKind != JsonValueKind.Object)
        {
            return null;
        }

        var input = usage.At("input_token_details");
        var output = usage.At("output_token_details");
        var cached = input.At("cached_tokens_details");
        return new ModelUsage(
            input.Has("text_tokens") ? input.Count("text_tokens") : usage.Count("input_tokens"),
            input.Count("audio_tokens"),
            cached.Has("text_tokens") ? cached.Count("text_tokens") : input.Count("cached_tokens"),
            cached.Count("audio_tokens"),
            output.Has("text_tokens") ? output.Count("text_tokens") : usage.Count("output_tokens"),
            output.Count("audio_tokens"));
    }

    /// <summary>By tokens or by time, as the model is priced; seconds have fractions.</summary>
    private static ModelUsage? TranscriptionUsage(JsonElement usage)
    {
        if (usage.ValueKind != JsonValueKind.Object)
        {
            return null;
        }

        var input = usage.At("input_token_details");
        return new ModelUsage(
            input.Count("text_tokens"),
            input.Has("audio_tokens") ? input.Count("audio_tokens") : usage.Count("input_tokens"),
            CachedText: 0,
            CachedAudio: 0,
            usage.Count("output_tokens"),
            OutputAudio: 0,
            usage.Real("seconds"));
    }

    private static bool IsJson(string text)
    {
        try
        {
            using var document = JsonDocument.Parse(text);
            return true;
        }
        catch (JsonException)
        {
            return false;
        }
    }
}
