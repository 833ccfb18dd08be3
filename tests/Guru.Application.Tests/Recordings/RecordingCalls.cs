using Guru.Application.Calls;
using Guru.Application.Tests.Voice;
using Guru.Application.Voice;
using Guru.Domain.Calls;
using Shouldly;

namespace Guru.Application.Tests.Recordings;

public sealed class RecordingCalls
{
    private static readonly string Frame = Convert.ToBase64String(Enumerable.Repeat((byte)1, 160).ToArray());
    private static readonly string Slice = Convert.ToBase64String(Enumerable.Repeat((byte)101, 800).ToArray());

    [Fact]
    public async Task Both_sides_are_stored_and_the_event_tells_how_much()
    {
        var house = new House { RecordingSettings = { Enabled = true } };

        await TalkAsync(house);

        var part = house.Recordings.Parts.ShouldHaveSingleItem();
        part.IsComplete.ShouldBeTrue();
        part.Stream.CallSid.ShouldBe(House.CallSid);
        part.Sound.Where((_, index) => index % 2 == 0).Count(sample => sample == 1).ShouldBe(50 * 160);
        part.Sound.Where((_, index) => index % 2 == 1).Count(sample => sample == 101).ShouldBe(800);
        var stored = house.Store.Of<RecordingStored>().ShouldHaveSingleItem();
        stored.ShouldBe(new RecordingStored("MZ0", 0, part.Sound.Length / 16, part.Sound.Length + 40, house.Switchboard.Node, stored.At));
    }

    [Fact]
    public async Task Nobody_is_recorded_or_told_so_unless_it_is_asked_for()
    {
        var house = new House();

        (await house.AnswersAsync()).ShouldBeOfType<ConnectStream>().TellsOfRecording.ShouldBeFalse();
        await TalkAsync(house);

        house.Recordings.Parts.ShouldBeEmpty();
        house.Store.Of<RecordingStored>().ShouldBeEmpty();
    }

    [Fact]
    public async Task The_caller_is_told_before_the_first_stream_and_not_again_when_the_call_goes_on()
    {
        var house = new House { RecordingSettings = { Enabled = true } };

        (await house.AnswersAsync()).ShouldBeOfType<ConnectStream>().TellsOfRecording.ShouldBeTrue();
        var (line, _, call) = await house.OnTheLineAsync();
        line.Breaks();
        await call;

        (await house.ContinuesAsync()).ShouldBeOfType<ConnectStream>().TellsOfRecording.ShouldBeFalse();
    }

    [Fact]
    public async Task A_full_disk_costs_the_recording_and_not_the_call()
    {
        var house = new House { RecordingSettings = { Enabled = true }, Recordings = { Room = 0 } };

        await TalkAsync(house);

        house.Recordings.Parts.ShouldHaveSingleItem().IsComplete.ShouldBeFalse();
        house.Recordings.Parts[0].IsDisposed.ShouldBeTrue();
        house.Store.Of<RecordingStored>().ShouldBeEmpty();
        house.Store.Of<CallEnded>().ShouldHaveSingleItem().Reason.ShouldBe(CallEndReason.CallerHungUp);
    }

    [Fact]
    public async Task A_disk_that_stands_still_costs_the_recording_and_not_the_call()
    {
        var house = new House { RecordingSettings = { Enabled = true }, Recordings = { Holds = new TaskCompletionSource() } };

        await TalkAsync(house);

        house.Recordings.IsGivenUp.ShouldBeTrue();
        house.Recordings.Parts.ShouldHaveSingleItem().IsComplete.ShouldBeFalse();
        house.Store.Of<RecordingStored>().ShouldBeEmpty();
        house.Store.Of<CallEnded>().ShouldHaveSingleItem();
    }

    [Fact]
    public async Task What_waits_for_a_slow_disk_is_bounded()
    {
        var house = new House { RecordingSettings = { Enabled = true }, Recordings = { Holds = new TaskCompletionSource() } };
        var (line, model, call) = await house.OnTheLineAsync();
        model.Says(new ResponseCreated("r1", "greeting"));
        var minute = Convert.ToBase64String(new byte[300_000]);
        for (var slice = 0; slice < 11; slice++)
        {
            model.Speaks("r1", "a1", minute, 300_000);
        }

        await ManualTime.UntilAsync(() => line.Sent.Count(sent => sent == minute) == 11);
        await ManualTime.UntilAsync(() => house.Recordings.IsGivenUp);
        line.Stops();
        await call;
        await house.Time.PassUntilAsync(() => house.Switchboard.PaperworkDone.IsCompleted);
        house.Store.Of<RecordingStored>().ShouldBeEmpty();
    }

    private static async Task TalkAsync(House house)
    {
        var (line, model, call) = await house.OnTheLineAsync();
        model.Says(new ResponseCreated("r1", "greeting"));
        model.Speaks("r1", "a1", Slice, 800);
        await ManualTime.UntilAsync(() => line.Sent.Contains(Slice));
        for (var frame = 0; frame < 50; frame++)
        {
            line.Frame(Frame, frame * 20);
            await house.Time.PassAsync(TimeSpan.FromMilliseconds(20));
        }

        await ManualTime.UntilAsync(() => model.Audio.Count() == 50);
        await house.Time.PassAsync(TimeSpan.FromSeconds(2));
        line.Stops();
        await call;

        // The clock does not run ahead of a store that answers.
        await ManualTime.UntilAsync(() => !house.RecordingSettings.Enabled || house.Recordings.Holds is not null || house.Recordings.Parts is [{ IsDisposed: true }]);
        await house.Time.PassUntilAsync(() => house.Switchboard.PaperworkDone.IsCompleted);
    }
}
