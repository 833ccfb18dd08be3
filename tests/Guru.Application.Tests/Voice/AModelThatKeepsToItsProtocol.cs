namespace Guru.Application.Tests.Voice;

/// <summary>What a caller may count on, tried on calls that chance wrote: with a model that is sound, and with one that fails in all the ways it may.</summary>
public sealed class AModelThatKeepsToItsProtocol
{
    private const int CallsOfEach = 400;

    private static readonly List<SimulatedCall> Calls = [.. Enumerable.Range(-CallsOfEach, (2 * CallsOfEach) + 1).Select(seed => new SimulatedCall(seed))];

    [Fact]
    public void Is_in_no_call_that_goes_on_for_ever() => InAll(call => call.GoesOnForEver);

    [Fact]
    public void Is_hung_up_by_Guru_only_after_a_goodbye_that_the_caller_heard() => InAll(call => call.EndsWithoutGoodbye);

    [Fact]
    public void Is_heard_to_say_goodbye_once() => InAll(call => call.SaysGoodbyeTwice);

    [Fact]
    public void Has_all_that_was_said_and_heard_on_record() => InAll(call => call.IsOffTheRecord);

    [Fact]
    public void Keeps_nobody_waiting_longer_than_the_rules_allow() => InAll(call => call.WaitsTooLong);

    private static void InAll(Func<SimulatedCall, string?> mistake)
    {
        var mistaken = Calls.Select(call => (Call: call, Mistake: mistake(call))).Where(of => of.Mistake is not null).ToList();
        if (mistaken is [var (first, _), ..])
        {
            Assert.Fail($"{string.Join('\n', mistaken.Select(of => $"Call {of.Call.Seed}: {of.Mistake}"))}\n\nCall {first.Seed}:\n{first.Course}");
        }
    }
}
