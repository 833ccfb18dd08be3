using System.Text.Json.Nodes;
using Guru.Sandbox.Audio;

namespace Guru.Sandbox.OpenAI;

/// <summary>What the model says: generated faster than it plays, in pieces of odd sizes.</summary>
public sealed partial class RealtimeSession
{
    const int HugeDeltaBytes = 60_000;
    const double Slow = 2.0 / 3;

    static readonly string[] ResponseMembers =
    [
        "output_modalities", "instructions", "audio", "tools", "tool_choice", "parallel_tool_calls", "reasoning", "max_output_tokens",
        "conversation", "metadata", "input", "prompt",
    ];

    Generation? _active;
    readonly List<Generation> _aside = [];
    bool _hasSpoken;
    int _responses;
    int _deltas;
    int _lastText;
    int _lastAudio;

    /// <summary>A response is being generated.</summary>
    public bool Responding => _active is not null;

    ProtocolError? CreateResponse(JsonObject message)
    {
        var request = message["response"] as JsonObject;
        foreach (var (name, _) in request ?? [])
        {
            if (!ResponseMembers.Contains(name))
            {
                return new ProtocolError("unknown_parameter", $"Unknown parameter: 'response.{name}'.", $"response.{name}");
            }
        }

        if (request?["metadata"] is JsonObject metadata
            && (metadata.Count > 16 || metadata.Any(pair => pair.Value is not JsonValue value || !value.TryGetValue<string>(out _))))
        {
            return new ProtocolError("invalid_value", "Metadata is up to 16 pairs of strings.", "response.metadata");
        }

        var inConversation = (string?)request?["conversation"] != "none";
        if (inConversation && _active is { } active)
        {
            return AlreadyActive(active);
        }

        Respond(request, inConversation);
        return null;
    }

    static ProtocolError AlreadyActive(Generation active) => new(
        "conversation_already_has_active_response",
        $"Conversation already has an active response in progress: {active.Id}. Wait until the response is finished before creating a new one.");

    /// <summary>The server's own response to a turn of the caller.</summary>
    void Answer()
    {
        if (_active is { } active)
        {
            SendError(AlreadyActive(active), eventId: null);
        }
        else
        {
            Respond(request: null, inConversation: true);
        }
    }

    void Respond(JsonObject? request, bool inConversation)
    {
        _idle++;
        var generation = new Generation(NewId("resp"), ++_responses, (JsonObject?)request?.DeepClone(), inConversation)
        {
            Text = request?["output_modalities"] is JsonArray { Count: 1 } modalities ? (string?)modalities[0] == "text"
                : Configuration.SpeaksText,
        };
        if (inConversation)
        {
            _active = generation;
        }
        else
        {
            _aside.Add(generation);
        }

        Send("response.created", new JsonObject { ["response"] = Describe(generation, "in_progress", details: null, usage: null) });
        if (generation.Number % 2 == 1)
        {
            SendRateLimits();
        }

        var faults = _options.Faults;
        if (faults.SilentFromResponse <= generation.Number)
        {
            return;
        }

        if (faults.FailResponses.TryGetValue(generation.Number, out var code))
        {
            In(TimeSpan.FromMilliseconds(80), () => ComeToNothing(generation, code));
            return;
        }

        In(faults.FirstAudioAfter ?? _options.FirstAudioAfter, () => Begin(generation));
    }

    void ComeToNothing(Generation generation, string why)
    {
        if (why is "content_filter" or "max_output_tokens")
        {
            Finish(generation, "incomplete", new JsonObject { ["type"] = "incomplete", ["reason"] = why });
            return;
        }

        Finish(generation, "failed", new JsonObject
        {
            ["type"] = "failed",
            ["error"] = new JsonObject
            {
                ["type"] = why switch { "server_error" => "server_error", "insufficient_quota" => "insufficient_quota", _ => "invalid_request_error" },
                ["code"] = why,
                ["message"] = $"The response failed: {why}.",
            },
        });
    }

    void Begin(Generation generation)
    {
        if (generation.Stopped)
        {
            return;
        }

        generation.Reply = _options.Replies(new ReplyContext(
            generation.Purpose,
            (string?)generation.Request?["instructions"] ?? Configuration.Instructions,
            ContextOf(generation),
            generation.Request?["tools"] is JsonArray tools ? [.. tools.Select(tool => (string?)tool?["name"] ?? "")] : Configuration.Tools,
            generation.Number));
        if (generation.Reply.Sample is not { } sample)
        {
            CallTool(generation);
            return;
        }

        var id = NewId("item");
        var item = new ConversationItem(id, "message", "assistant", new JsonObject
        {
            ["id"] = id, ["object"] = "realtime.item", ["type"] = "message", ["status"] = "in_progress", ["role"] = "assistant", ["content"] = new JsonArray(),
        })
        {
            IsAgentAudio = !generation.Text,
            Text = sample.Text,
        };
        Open(generation, item);
        generation.Speaking = item;
        Send("response.content_part.added", Part(generation, item, "part", generation.Text
            ? new JsonObject { ["type"] = "text", ["text"] = "" }
            : new JsonObject { ["type"] = "audio", ["transcript"] = "" }));
        if (generation.Text)
        {
            SpeakWords(generation, sample, 1);
            EndMessage(generation, complete: true);
            CallTool(generation);
            return;
        }

        if (_options.Faults.Garbage)
        {
            _outbox.Enqueue(new ServerMessage(ServerMessageKind.Garbage, _now, "", [.. "}{ this is not JSON"u8]));
        }

        generation.FirstAudioAt = _now;
        NextDelta(generation, sample, 0);
    }

    void NextDelta(Generation generation, Sample sample, int from)
    {
        if (generation.Stopped)
        {
            return;
        }

        var to = SendDelta(generation, sample, from);
        if (to == from)
        {
            return;
        }

        In(MuLaw.Duration(to - from) / (_options.Faults.SlowFromResponse <= generation.Number ? Slow : _options.Speed), () =>
        {
            if (generation.Stopped)
            {
                return;
            }

            if (to < sample.Audio.Length)
            {
                NextDelta(generation, sample, to);
                return;
            }

            EndMessage(generation, complete: true);
            CallTool(generation);
        });
    }

    int SendDelta(Generation generation, Sample sample, int from)
    {
        _deltas++;
        if (_deltas == _options.Faults.ResetAtDelta || _deltas == _options.Faults.MuteAtDelta)
        {
            BreakOff(_deltas == _options.Faults.ResetAtDelta ? ServerMessageKind.Reset : ServerMessageKind.Mute);
            return from;
        }

        if (_deltas == _options.Faults.CloseAtDelta)
        {
            Close(_options.Faults.CloseCode, reason: "");
            return from;
        }

        if (_deltas == _options.Faults.StallAtDelta)
        {
            return from;
        }

        // Never a multiple of a frame, and the words run ahead of the sound.
        var size = _options.Faults.HugeDeltas ? HugeDeltaBytes : (from == 0 ? 800 : 2400) + _random.Next(1600) * 2 + 1;
        var to = Math.Min(from + size, sample.Audio.Length);
        SpeakWords(generation, sample, Math.Min(1, 0.1 + 1.25 * to / sample.Audio.Length));
        var audio = sample.Audio.AsSpan()[from..to];
        _hasSpoken = true;
        generation.Speaking!.AudioBytes = to;
        if (_options.WebRtc)
        {
            Play(generation);
            return to;
        }

        Send("response.output_audio.delta", Part(generation, generation.Speaking, "delta", Convert.ToBase64String(
            Configuration.OutputIsMuLaw || AsksForMuLaw(generation) ? audio : MuLaw.ToPcm24k(audio))));
        return to;
    }

    static bool AsksForMuLaw(Generation generation) => (string?)generation.Request?["audio"]?["output"]?["format"]?["type"] == "audio/pcmu";

    void SpeakWords(Generation generation, Sample sample, double share)
    {
        var words = sample.Text.Split(' ');
        var until = (int)Math.Ceiling(words.Length * share);
        for (; generation.WordsSent < until; generation.WordsSent++)
        {
            var word = (generation.WordsSent == 0 ? "" : " ") + words[generation.WordsSent];
            Send(
                generation.Text ? "response.output_text.delta" : "response.output_audio_transcript.delta",
                Part(generation, generation.Speaking!, "delta", word));
        }
    }

    void EndMessage(Generation generation, bool complete)
    {
        var item = generation.Speaking!;
        generation.Speaking = null;
        var said = generation.Reply.Sample!.Text.Split(' ');
        var text = string.Join(' ', said[..(complete ? said.Length : generation.WordsSent)]);
        if (generation.Text)
        {
            Send("response.output_text.done", Part(generation, item, "text", text));
        }
        else
        {
            Send("response.output_audio.done", Part(generation, item));
            Send("response.output_audio_transcript.done", Part(generation, item, "transcript", text));
        }

        Send("response.content_part.done", Part(generation, item, "part", generation.Text
            ? new JsonObject { ["type"] = "text", ["text"] = text }
            : new JsonObject { ["type"] = "audio", ["transcript"] = text }));
        item.Text = item.Truncated ? null : text;
        item.Json["content"] = new JsonArray(generation.Text
            ? new JsonObject { ["type"] = "output_text", ["text"] = text }
            : new JsonObject { ["type"] = "output_audio", ["transcript"] = text });
        Seal(generation, item, complete);
        if (item.Truncated)
        {
            ((JsonObject)item.Json["content"]![0]!).Remove("transcript");
        }
    }

    void CallTool(Generation generation)
    {
        if (generation.Reply.Tool is not { } tool)
        {
            Finish(generation, "completed", details: null);
            return;
        }

        var (id, callId) = (NewId("item"), NewId("call"));
        var item = new ConversationItem(id, "function_call", role: null, new JsonObject
        {
            ["id"] = id, ["object"] = "realtime.item", ["type"] = "function_call", ["status"] = "in_progress",
            ["call_id"] = callId, ["name"] = tool.Name, ["arguments"] = "",
        })
        {
            Tool = tool.Name,
            Text = tool.Arguments,
        };
        Open(generation, item);
        var half = tool.Arguments.Length / 2;
        foreach (var piece in new[] { tool.Arguments[..half], tool.Arguments[half..] })
        {
            Send("response.function_call_arguments.delta", Call(generation, item, callId, "delta", piece));
        }

        var done = Call(generation, item, callId, "arguments", tool.Arguments);
        done["name"] = tool.Name;
        Send("response.function_call_arguments.done", done);
        item.Json["arguments"] = tool.Arguments;
        Seal(generation, item, complete: true);
        Finish(generation, "completed", details: null);
    }

    void Open(Generation generation, ConversationItem item)
    {
        generation.Output.Add(item);
        Send("response.output_item.added", new JsonObject
        {
            ["response_id"] = generation.Id, ["output_index"] = generation.Output.Count - 1, ["item"] = item.Json.DeepClone(),
        });
        if (generation.InConversation)
        {
            AddItem(item, done: false);
        }
    }

    void Seal(Generation generation, ConversationItem item, bool complete)
    {
        item.Json["status"] = complete ? "completed" : "incomplete";
        Send("response.output_item.done", new JsonObject
        {
            ["response_id"] = generation.Id, ["output_index"] = generation.Output.IndexOf(item), ["item"] = item.Json.DeepClone(),
        });
        if (generation.InConversation)
        {
            SendItemDone(item);
        }
    }

    /// <summary>The caller speaks: generation stops, but what is on its way still arrives.</summary>
    void Interrupt(Generation generation)
    {
        generation.Stopped = true;
        for (var late = 1; late <= 2; late++)
        {
            In(TimeSpan.FromMilliseconds(9 * late), () =>
            {
                if (generation is { Done: false, Text: false, Speaking: { } item, Reply.Sample: { } sample }
                    && item.AudioBytes < sample.Audio.Length && !item.Truncated)
                {
                    SendDelta(generation, sample, (int)item.AudioBytes);
                }
            });
        }

        In(TimeSpan.FromMilliseconds(30), () => Cancel(generation, "turn_detected"));
    }

    ProtocolError? CancelResponse(JsonObject message)
    {
        var id = (string?)message["response_id"];
        var generation = id is null ? _active : _aside.Append(_active).FirstOrDefault(one => one?.Id == id);
        if (generation is null || generation.Done)
        {
            return new ProtocolError("response_cancel_not_active", "Cancellation failed: no active response found");
        }

        Cancel(generation, "client_cancelled");
        return null;
    }

    void Cancel(Generation generation, string reason)
    {
        if (generation.Done)
        {
            return;
        }

        generation.Stopped = true;
        if (generation.Speaking is not null)
        {
            EndMessage(generation, complete: false);
        }

        Finish(generation, "cancelled", new JsonObject { ["type"] = "cancelled", ["reason"] = reason });
    }

    void Finish(Generation generation, string status, JsonObject? details)
    {
        (generation.Done, generation.Stopped) = (true, true);
        _active = _active == generation ? null : _active;
        _aside.Remove(generation);

        // A response that was stopped before it had said anything costs nothing, and says so with a null.
        var usage = generation.Output.Count == 0 && status != "completed" ? null : Usage(generation);
        StopWhenPlayed(generation);
        Send("response.done", new JsonObject { ["response"] = Describe(generation, status, details, usage) });
        if (generation.Number == _options.Faults.MuteAfterResponse)
        {
            BreakOff(ServerMessageKind.Mute);
            return;
        }

        if (generation.Number % 2 == 0)
        {
            SendRateLimits();
        }

        if (generation.InConversation)
        {
            ArmIdleTimer((generation.FirstAudioAt ?? _now) + MuLaw.Duration(generation.Output.Sum(item => item.AudioBytes)));
        }
    }

    List<ContextItem> ContextOf(Generation generation)
    {
        if (generation.Request?["input"] is not JsonArray input)
        {
            return [.. _items.Select(item => item.ToContext())];
        }

        return
        [
            .. input.OfType<JsonObject>().Select(given => (string?)given["type"] == "item_reference"
                ? _items.Find(item => item.Id == (string?)given["id"])?.ToContext()
                : new ContextItem((string?)given["id"] ?? "", (string?)given["type"] ?? "message", (string?)given["role"], TextOf(given)))
                    .OfType<ContextItem>(),
        ];
    }

    JsonObject Usage(Generation generation)
    {
        var before = generation.InConversation ? _items.Except(generation.Output).ToList() : [];
        var text = ((string?)generation.Request?["instructions"] ?? Configuration.Instructions)
            .Length / 4 + before.Sum(item => item.TextTokens);
        var audio = before.Sum(item => item.AudioTokens);

        // The prefix of the request before is cached, in steps of 64 tokens.
        var (cachedText, cachedAudio) = (Math.Min(_lastText, text) / 64 * 64, Math.Min(_lastAudio, audio) / 64 * 64);
        if (generation.InConversation)
        {
            (_lastText, _lastAudio) = (text, audio);
        }

        var (wordsOut, audioOut) = (
            generation.Output.Sum(item => (item.Text?.Length ?? 0) / 4),
            generation.Output.Sum(item => item.AudioTokens));
        return new JsonObject
        {
            ["total_tokens"] = text + audio + wordsOut + audioOut,
            ["input_tokens"] = text + audio,
            ["output_tokens"] = wordsOut + audioOut,
            ["input_token_details"] = new JsonObject
            {
                ["text_tokens"] = text,
                ["audio_tokens"] = audio,
                ["image_tokens"] = 0,
                ["cached_tokens"] = cachedText + cachedAudio,
                ["cached_tokens_details"] = new JsonObject { ["text_tokens"] = cachedText, ["audio_tokens"] = cachedAudio, ["image_tokens"] = 0 },
            },
            ["output_token_details"] = new JsonObject { ["text_tokens"] = wordsOut, ["audio_tokens"] = audioOut },
        };
    }

    JsonObject Describe(Generation generation, string status, JsonObject? details, JsonObject? usage) => new()
    {
        ["object"] = "realtime.response",
        ["id"] = generation.Id,
        ["status"] = status,
        ["status_details"] = details,
        ["output"] = new JsonArray([.. generation.Output.Select(item => item.Json.DeepClone())]),
        ["conversation_id"] = generation.InConversation ? _conversationId : null,
        ["output_modalities"] = new JsonArray(generation.Text ? "text" : "audio"),
        ["max_output_tokens"] = "inf",
        ["audio"] = new JsonObject { ["output"] = new JsonObject
        {
            ["format"] = Configuration.Output["format"]?.DeepClone(), ["voice"] = Configuration.Output["voice"]?.DeepClone(),
        } },
        ["usage"] = usage,
        ["metadata"] = generation.Metadata?.DeepClone(),
    };

    void SendRateLimits() => Send("rate_limits.updated", new JsonObject
    {
        ["rate_limits"] = new JsonArray(
            new JsonObject { ["name"] = "requests", ["limit"] = 1000, ["remaining"] = 1000 - _responses % 1000, ["reset_seconds"] = 60 },
            new JsonObject { ["name"] = "tokens", ["limit"] = 50000, ["remaining"] = 49950, ["reset_seconds"] = 0.06 }),
    });

    static JsonObject Part(Generation generation, ConversationItem item, string? name = null, JsonNode? value = null)
    {
        var part = new JsonObject
        {
            ["response_id"] = generation.Id, ["item_id"] = item.Id, ["output_index"] = generation.Output.IndexOf(item), ["content_index"] = 0,
        };
        if (name is not null)
        {
            part[name] = value;
        }

        return part;
    }

    static JsonObject Call(Generation generation, ConversationItem item, string callId, string name, string value) => new()
    {
        ["response_id"] = generation.Id, ["item_id"] = item.Id, ["output_index"] = generation.Output.IndexOf(item), ["call_id"] = callId, [name] = value,
    };
}
