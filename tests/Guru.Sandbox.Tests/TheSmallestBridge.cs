using System.Net.WebSockets;
using System.Text;
using System.Text.Json.Nodes;
using Guru.Sandbox.OpenAI;
using Guru.Sandbox.Tests.Twilio;
using Guru.Sandbox.Twilio;
using Shouldly;

namespace Guru.Sandbox.Tests;

/// <summary>Both stand-ins, joined by fifty lines that know nothing of calls.</summary>
public sealed class TheSmallestBridge
{
    [Fact]
    public async Task Carries_a_call_that_is_heard_interrupted_and_ended()
    {
        await using var openai = await OpenAIStandIn.StartAsync();
        await using var app = await TinyApp.StartAsync();
        app.Twiml["/voice"] = app.Stream();
        app.OnStream = socket => BridgeAsync(socket, openai.BaseUrl);

        var call = await app.Line.PlaceCallAsync(new CallOptions
        {
            Script =
            [
                new CallerTurn(new AgentSpeaking(TimeSpan.FromMilliseconds(2000), Turn: 1), new Say("bill-es")),
                new CallerTurn(new AgentSpeaking(TimeSpan.FromMilliseconds(2500)), new Say("itemized-es")),
                new CallerTurn(new AgentSpeaking(TimeSpan.FromMilliseconds(500)), new HangUp()),
            ],
        });

        call.Heard.Select(line => (line.Sample.Id, line.Cut))
            .ShouldBe([("greeting-en", true), ("bill-answer-es", true), ("itemized-answer-es", true)]);
        var session = openai.Sessions.Entries.ShouldHaveSingleItem();
        var truncations = session.Read(s => s.Truncations.ToList());
        truncations.Count.ShouldBe(2);
        truncations.ShouldAllBe(truncation => truncation.Accepted);

        // The smallest bridge truncates by what it sent a moment ago, which is wrong; the truth is what was played until the turn was cut.
        var turn = call.Events.Of<AgentTurnEnded>()[0].At - call.Events.Of<AgentTurnBegan>()[0].At;
        call.Heard[0].Heard.TotalMilliseconds.ShouldBeInRange(500, turn.TotalMilliseconds + 50);

        // The words of the second turn take longer than the call.
        session.Events.Entries.Count(e => e.Type == "conversation.item.input_audio_transcription.completed").ShouldBe(1);
        var wav = call.ToWav();
        wav.Length.ShouldBeGreaterThan(8000 * 4 * 12);
    }

    static async Task BridgeAsync(TinySocket caller, Uri openai)
    {
        using var model = new ClientWebSocket();
        model.Options.SetRequestHeader("Authorization", "Bearer sk-any");
        await model.ConnectAsync(new Uri($"ws://{openai.Authority}/v1/realtime?model=gpt-realtime-2.1"), CancellationToken.None);
        await caller.ReadUntilAsync("start");
        await SendAsync(model, $$"""{"type":"session.update","session":{{OpenAI.VirtualClient.Phone}}}""");
        await SendAsync(model, """{"type":"response.create","response":{"metadata":{"purpose":"greeting"}}}""");
        var speaking = ToCallerAsync(model, caller);
        while (await caller.ReadAsync() is { } json && (string?)json["event"] != "stop")
        {
            if ((string?)json["event"] == "media")
            {
                await SendAsync(model, $$"""{"type":"input_audio_buffer.append","audio":"{{json["media"]!["payload"]}}"}""");
            }
        }

        await model.CloseAsync(WebSocketCloseStatus.NormalClosure, null, CancellationToken.None);
        await speaking;
    }

    static async Task ToCallerAsync(ClientWebSocket model, TinySocket caller)
    {
        var buffer = new byte[64 * 1024];
        string? speaking = null;
        while (true)
        {
            var received = await model.ReceiveAsync(buffer, CancellationToken.None);
            if (received.MessageType == WebSocketMessageType.Close)
            {
                return;
            }

            var json = JsonNode.Parse(buffer.AsSpan(0, received.Count))!;
            switch ((string?)json["type"])
            {
                case "response.output_audio.delta":
                    speaking = (string)json["item_id"]!;
                    await caller.SendAudioAsync(Convert.FromBase64String((string)json["delta"]!));
                    break;
                case "input_audio_buffer.speech_started" when speaking is not null:
                    await caller.SendClearAsync();
                    await SendAsync(model,
                        $$"""{"type":"conversation.item.truncate","item_id":"{{speaking}}","content_index":0,"audio_end_ms":1000}""");
                    break;
            }
        }
    }

    static Task SendAsync(ClientWebSocket socket, string json) =>
        socket.SendAsync(Encoding.UTF8.GetBytes(json), WebSocketMessageType.Text, endOfMessage: true, CancellationToken.None);
}
