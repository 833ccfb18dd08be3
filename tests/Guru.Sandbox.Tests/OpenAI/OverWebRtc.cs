using Guru.Sandbox.Audio;
using Guru.Sandbox.OpenAI;

namespace Guru.Sandbox.Tests.OpenAI;

/// <summary>A browser's call: the server plays, stops and truncates by itself, and no audio is in the events.</summary>
public sealed class OverWebRtc
{
    private readonly VirtualClient _client = new(new RealtimeSessionOptions { WebRtc = true });

    public OverWebRtc() => _client.Send("""
        {"type":"session.update","session":{"type":"realtime","audio":{"input":{"transcription":{"model":"gpt-transcribe"}}}}}
        """);

    [Fact]
    public void A_response_is_played_in_real_time_and_told_without_its_audio()
    {
        _client.Send("""{"type":"response.create","response":{"metadata":{"purpose":"greeting"}}}""");
        _client.Wait(30_000);

        var (started, stopped) = (_client.TimeOf("output_audio_buffer.started"), _client.TimeOf("output_audio_buffer.stopped"));
        Assert.Equal(SampleLibrary.Shipped["greeting-en"].Duration, stopped - started);
        Assert.True(_client.TimeOf("response.done") < stopped);
        Assert.Empty(_client.Of("response.output_audio.delta"));
        Assert.NotEmpty(_client.Of("response.output_audio_transcript.delta"));
    }

    [Fact]
    public void Speech_clears_what_is_playing_and_truncates_it_at_what_was_heard()
    {
        _client.Send("""{"type":"response.create","response":{"metadata":{"purpose":"greeting"}}}""");
        _client.Wait(3000);
        foreach (var frame in SampleLibrary.Shipped["yes-en"].Audio.Chunk(MuLaw.FrameBytes))
        {
            _client.Hear(frame);
        }

        var heard = _client.TimeOf("output_audio_buffer.cleared") - _client.TimeOf("output_audio_buffer.started");
        Assert.Equal((long)heard.TotalMilliseconds, (long)_client.One("conversation.item.truncated")["audio_end_ms"]!);
        Assert.Empty(_client.Of("output_audio_buffer.stopped"));
        Assert.Empty(_client.Of("error"));
    }

    [Fact]
    public void A_client_may_clear_the_output_itself()
    {
        _client.Send("""{"type":"response.create","response":{"metadata":{"purpose":"greeting"}}}""");
        _client.Wait(1000);
        _client.Send("""{"type":"output_audio_buffer.clear"}""");

        _client.One("output_audio_buffer.cleared");
        Assert.Empty(_client.Of("error"));
    }
}
