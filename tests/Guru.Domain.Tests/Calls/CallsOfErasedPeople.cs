using Guru.Domain.Calls;

namespace Guru.Domain.Tests.Calls;

public sealed class CallsOfErasedPeople : CallSpec
{
    private static readonly CallEvent[] Erased = [.. Connected, Ended(CallEndReason.CallerHungUp), new CallErased(At(20))];

    [Fact]
    public void Take_no_words_any_more() =>
        Given(Erased).When(
            new RecordUtterance(Utterance("late", "bye", at: 21)),
            new RecordHandOff(new AgentHandedOff("general", "legal", "a visa", At(21))),
            new RecordLanguage(new CallLanguageDetermined("es", "call", At(21))),
            new RecordCallSummary(new CallSummarized("es", "a", "b", "c", "d", "e", "f", At(21)))).ThenNothing();

    [Fact]
    public void Take_figures_and_the_word_of_the_carrier()
    {
        var usage = new UsageRecorded("r1", UsageRecorded.Response, "model", "general", new TokenUsage(1, 2, 0, 0, 3, 4), Seconds: null, At(21));

        Given(Erased).When(new RecordUsage(usage), Tells(CallStatus.Completed, at: 22)).Then(usage, Status(CallStatus.Completed, at: 22));
    }
}
