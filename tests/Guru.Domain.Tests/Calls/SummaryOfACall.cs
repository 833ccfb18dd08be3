using Guru.Domain.Calls;

namespace Guru.Domain.Tests.Calls;

public sealed class SummaryOfACall : CallSpec
{
    private static readonly CallEvent[] Over = [.. Connected, Utterance("s:1", "I got a bill."), Ended(CallEndReason.CallerHungUp)];

    [Fact]
    public void A_call_is_summarised_once() =>
        Given(Over).When(Summarize("A bill.", at: 20), Summarize("A hospital bill.", at: 21)).Then(Summary("A bill.", at: 20));

    [Fact]
    public void A_call_that_goes_on_is_not_summarised() => Given(Connected).When(Summarize("A bill.", at: 20)).ThenRefused();

    [Fact]
    public void A_call_that_nobody_has_started_is_not_summarised() =>
        Given(Status(CallStatus.Busy), Ended(CallEndReason.Busy)).When(Summarize("A bill.", at: 20)).ThenRefused();

    [Fact]
    public void Words_that_come_after_the_summary_are_recorded_all_the_same() =>
        Given([.. Over, Summary("A bill.", at: 20)]).When(new RecordUtterance(Utterance("s:2", "bye", at: 21))).Then(Utterance("s:2", "bye", at: 21));

    private static RecordCallSummary Summarize(string text, double at) => new(Summary(text, at));

    private static CallSummarized Summary(string text, double at) => new("en", text, "", "", "", "", "", At(at));
}
