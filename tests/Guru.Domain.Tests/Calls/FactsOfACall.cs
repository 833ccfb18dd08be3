using Guru.Domain.Calls;
using Shouldly;

namespace Guru.Domain.Tests.Calls;

public sealed class FactsOfACall : CallSpec
{
    private static readonly TokenUsage Tokens = new(1, 2, 0, 0, 3, 4);

    [Fact]
    public void An_utterance_is_recorded_once() =>
        Given(Connected)
            .When(new RecordUtterance(Utterance("s:1", "hello")), new RecordUtterance(Utterance("s:1", "hello", at: 6)))
            .Then(Utterance("s:1", "hello"));

    [Fact]
    public void People_do_say_yes_twice() =>
        Given(Connected)
            .When(new RecordUtterance(Utterance("s:1", "yes")), new RecordUtterance(Utterance("s:2", "yes")))
            .Then(Utterance("s:1", "yes"), Utterance("s:2", "yes"));

    [Fact]
    public void The_last_words_are_kept_when_their_transcript_arrives_after_the_hang_up() =>
        Given([.. Connected, Ended(CallEndReason.CallerHungUp)])
            .When(new RecordUtterance(Utterance("s:1", "bye", at: 10)))
            .Then(Utterance("s:1", "bye", at: 10));

    [Fact]
    public void Usage_is_counted_once_for_a_response_and_once_for_a_transcription()
    {
        var response = new UsageRecorded("s:1", "response", "m", "general", Tokens, Seconds: null, At(5));
        var transcription = response with { Kind = "transcription", Seconds = 1.5 };
        Given(Connected)
            .When(new RecordUsage(response), new RecordUsage(transcription), new RecordUsage(response), new RecordUsage(transcription))
            .Then(response, transcription);
    }

    [Fact]
    public void Usage_is_counted_after_the_end_too()
    {
        var late = new UsageRecorded("s:1", "response", "m", "general", Tokens, Seconds: null, At(12));
        Given([.. Connected, Ended(CallEndReason.CallerHungUp)]).When(new RecordUsage(late)).Then(late);
    }

    [Fact]
    public void A_new_model_session_is_recorded_once()
    {
        var reconnect = new VoiceModelReconnected("dropped", 2, 700, "sess_2", At(5));
        Given(Connected)
            .When(new RecordReconnect(reconnect), new RecordReconnect(reconnect), new RecordReconnect(reconnect with { ModelSessionId = "sess_3" }))
            .Then(reconnect, reconnect with { ModelSessionId = "sess_3" });
    }

    [Fact]
    public void Each_streams_recording_is_noted_once_though_the_call_be_over()
    {
        var first = new RecordingStored("MZ0", 0, 12_000, 200_000, "node", At(12));
        var second = first with { StreamSid = "MZ1", StartMs = 20_000 };
        Given([.. Connected, Ended(CallEndReason.CallerHungUp)])
            .When(new RecordRecording(first), new RecordRecording(second), new RecordRecording(first))
            .Then(first, second);
    }

    [Fact]
    public void An_utterance_a_usage_and_a_session_of_the_same_name_are_three_facts() =>
        Call.Fold(
        [
            .. Connected,
            Utterance("x", "hello"),
            new UsageRecorded("x", "response", "m", "general", Tokens, Seconds: null, At(5)),
            new VoiceModelReconnected("dropped", 1, 0, "x", At(5)),
        ]).Recorded.Count.ShouldBe(3);
}
