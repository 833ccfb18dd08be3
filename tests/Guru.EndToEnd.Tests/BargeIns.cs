using System.Text.Json;
using Guru.Sandbox.Measurements;
using Guru.Sandbox.Twilio;

namespace Guru.EndToEnd.Tests;

[Collection(InRealTime.Name)]
public sealed class BargeIns(PatientWorld world) : IClassFixture<PatientWorld>
{
    [Fact]
    public async Task A_hundred_barge_ins_over_twenty_calls_at_once_are_cleared_truncated_and_recorded_in_order()
    {
        var report = await BargeInStudy.RunAsync(
            world.Twilio, world.OpenAI, TranscriptOf, calls: 20, bargeIns: 5, seed: 20261122);

        report.Mistakes.ShouldBeEmpty();
        report.Cuts.Count.ShouldBeGreaterThanOrEqualTo(100);
    }

    private async Task<JsonElement> TranscriptOf(PlacedCall call)
    {
        var record = await world.RecordOf(call);
        record.ShouldTellOfTheModel();
        return record.Transcript;
    }
}
