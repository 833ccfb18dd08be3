using FsCheck;
using FsCheck.Fluent;
using Guru.Application.Traces;
using Shouldly;

namespace Guru.Application.Tests.Voice;

/// <summary>What holds in every call, tried on calls that chance wrote. The seed is fixed; to search further, change it.</summary>
public sealed class EveryCall
{
    private static readonly Config Tried = Config.QuickThrowOnFailure.WithMaxTest(500).WithStartSize(10).WithEndSize(220).WithReplay(20260102, 30405);

    private static readonly Arbitrary<int[]> Scripts = Arb.From(Gen.Choose(0, 1_000_000).ArrayOf(), Shrunk);

    [Fact]
    public void Keeps_its_record_true_over_a_carrier_that_plays_in_real_time() =>
        Prop.ForAll(Scripts, script => { RandomCall.Of(script, hostile: false); }).Check(Tried);

    [Fact]
    public void Keeps_its_record_true_over_a_carrier_whose_receipts_are_late() =>
        Prop.ForAll(Scripts, script => { RandomCall.Of(script, hostile: false, latencyMs: 130); }).Check(Tried);

    [Fact]
    public void Keeps_its_record_true_over_a_carrier_that_returns_any_mark_and_a_model_that_repeats_itself() =>
        Prop.ForAll(Scripts, script => { RandomCall.Of(script, hostile: true); }).Check(Tried);

    [Fact]
    public void Is_decided_by_what_happened_in_it_alone() =>
        Prop.ForAll(Scripts, script => RandomCall.Of(script, hostile: true).Decisions.ShouldBe(RandomCall.Of(script, hostile: true).Decisions))
            .Check(Tried.WithMaxTest(100));

    [Fact]
    public void Is_decided_in_a_replay_as_it_was() =>
        Prop.ForAll(Scripts, script =>
        {
            var call = RandomCall.Of(script, hostile: true, latencyMs: 30, traceBytes: int.MaxValue);
            var outcome = CallReplay.Run(TraceText.Fold(call.Trace!.Close().Span));
            outcome.Difference.ShouldBeNull();
            outcome.Decisions.ShouldBe(call.Decisions.Count);
        }).Check(Tried.WithMaxTest(200));

    private static IEnumerable<int[]> Shrunk(int[] script)
    {
        for (var length = script.Length / 2; length > 0; length /= 2)
        {
            for (var at = 0; at + length <= script.Length; at += length)
            {
                yield return [.. script[..at], .. script[(at + length)..]];
            }
        }
    }
}
