using System.Text.Json.Nodes;
using Guru.Sandbox.Audio;

namespace Guru.Sandbox.OpenAI;

/// <summary>The output buffer of a WebRTC call: the server plays to the browser in real time, and knows what was heard.</summary>
public sealed partial class RealtimeSession
{
    Generation? _playing;
    TimeSpan _playingSince;

    void Play(Generation generation)
    {
        if (_playing == generation)
        {
            return;
        }

        (_playing, _playingSince) = (generation, _now);
        Send("output_audio_buffer.started", new JsonObject { ["response_id"] = generation.Id });
    }

    /// <summary>The response is complete; its audio is heard to the end a little later, unless the caller speaks before.</summary>
    void StopWhenPlayed(Generation generation)
    {
        if (_playing != generation)
        {
            return;
        }

        In(_playingSince + MuLaw.Duration(generation.Output.Sum(item => item.AudioBytes)) - _now, () =>
        {
            if (_playing == generation)
            {
                _playing = null;
                Send("output_audio_buffer.stopped", new JsonObject { ["response_id"] = generation.Id });
            }
        });
    }

    /// <summary>What was not heard is dropped, and the model forgets it.</summary>
    ProtocolError? ClearOutput()
    {
        if (_playing is not { } generation)
        {
            return null;
        }

        _playing = null;
        Send("output_audio_buffer.cleared", new JsonObject { ["response_id"] = generation.Id });
        var heard = MuLaw.Bytes(_now - _playingSince);
        foreach (var item in generation.Output.Where(item => item.IsAgentAudio).ToList())
        {
            var ofItem = Math.Clamp(heard, 0, item.AudioBytes);
            heard -= ofItem;
            if (ofItem < item.AudioBytes || generation.Speaking == item)
            {
                Truncate(item, ofItem / MuLaw.BytesPerMs);
            }
        }

        return null;
    }

    void Truncate(ConversationItem item, long endMs)
    {
        // Nobody knows which words the audio that is left holds, so all of them go.
        item.AudioBytes = endMs * MuLaw.BytesPerMs;
        item.Truncated = true;
        item.Text = null;
        if (item.Json["content"] is JsonArray { Count: > 0 } content)
        {
            ((JsonObject)content[0]!).Remove("transcript");
        }

        Send("conversation.item.truncated", new JsonObject { ["item_id"] = item.Id, ["content_index"] = 0, ["audio_end_ms"] = endMs });
    }
}
