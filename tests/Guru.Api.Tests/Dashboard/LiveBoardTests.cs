using System.Text.Json;
using Guru.Api.Dashboard;
using Guru.Application.Calls;
using Shouldly;

namespace Guru.Api.Tests.Dashboard;

public sealed class LiveBoardTests
{
    private readonly LiveBoard _board = new();
    private long _sequence;

    [Fact]
    public void A_call_appears_is_spoken_and_ends()
    {
        Apply("CallStarted", """{"callerId":"c","address":"+1***41","language":"es"}""").ShouldBeTrue();
        Apply("AgentRouted", """{"agent":"legal"}""");
        Apply("UtteranceTranscribed", Said("b", "Si.", 2_000));
        Apply("UtteranceTranscribed", Said("a", "Hola.", 1_000));
        _board.InProgress.ShouldBe(1);

        var call = _board.Calls.ShouldHaveSingleItem();
        (call.Number, call.Agent, call.Language, call.Ended).ShouldBe(("+1***41", "legal", "es", null));
        call.Lines.Select(line => line.Said).ShouldBe(["Hola.", "Si."]);

        Apply("CallEnded", """{"reason":"callerHungUp"}""");
        _board.Calls.ShouldHaveSingleItem().Ended.ShouldBe("callerHungUp");
        _board.InProgress.ShouldBe(0);
    }

    [Fact]
    public void What_is_known_already_changes_nothing()
    {
        Apply("CallStarted", "{}");
        Apply("UtteranceTranscribed", Said("a", "Hola.", 1_000)).ShouldBeTrue();
        Apply("UtteranceTranscribed", Said("a", "Hola.", 1_000)).ShouldBeFalse();
        Apply("CallStarted", "{}").ShouldBeFalse();
    }

    [Fact]
    public void Calls_that_are_not_on_the_board_and_conversations_are_not_of_interest()
    {
        Apply("UtteranceTranscribed", Said("a", "Hola.", 1_000)).ShouldBeFalse();
        Apply("MessageReceived", "{}", "conversation-1").ShouldBeFalse();
        _board.Calls.ShouldBeEmpty();
    }

    [Fact]
    public void Erased_words_are_shown_as_none()
    {
        Apply("CallStarted", """{"address":null}""");
        Apply("UtteranceTranscribed", """{"utteranceId":"a","speaker":"caller","said":null,"heard":null,"startMs":5}""");

        _board.Calls.ShouldHaveSingleItem().Lines.ShouldHaveSingleItem().Said.ShouldBe("");
    }

    [Fact]
    public void Only_the_newest_of_the_ended_calls_stay()
    {
        for (var call = 0; call < 20; call++)
        {
            Apply("CallStarted", "{}", $"call-CA{call}");
            Apply("CallEnded", """{"reason":"silence"}""", $"call-CA{call}");
        }

        _board.Calls.Select(call => call.CallSid).ShouldBe(["CA19", "CA18", "CA17", "CA16", "CA15"]);
    }

    private static string Said(string id, string words, long startMs) =>
        $$"""{"utteranceId":"{{id}}","speaker":"agent","agent":"legal","said":"{{words}}","heard":"{{words}}","interrupted":false,"startMs":{{startMs}}}""";

    private bool Apply(string type, string data, string stream = "call-CA1") => _board.Apply(new EventView(
        ++_sequence, stream, _sequence, type, DateTimeOffset.UnixEpoch.AddSeconds(_sequence), JsonDocument.Parse(data).RootElement));
}
