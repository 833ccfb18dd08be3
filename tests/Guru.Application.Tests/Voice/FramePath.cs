using System.Text;
using Guru.Application.Calls;
using Guru.Application.Voice;
using Guru.Application.VoiceSessions;
using Microsoft.Extensions.Logging.Abstractions;
using Shouldly;

namespace Guru.Application.Tests.Voice;

public sealed class FramePath
{
    private const int Round = 2000;
    private const int Rounds = 10;

    /// <summary>As many frames as the runtime needs to compile the loops anew, which may allocate on their thread.</summary>
    private const int Warm = 10 * Round;
    private const int Frames = Rounds * Round;

    [Fact]
    public async Task Allocates_nothing_from_the_caller_to_the_model_and_back()
    {
        var time = new ManualTime();
        var meter = new Allocations();
        var line = new QuietLine(meter);
        var model = new QuietModel(meter);
        var session = new CallSession(
            new CallSessionStart(ManualTime.Start, House.Agents, new VoiceSettings(), "general", Language: null, Resumed: false, []),
            new CallRules { LastWordsSeconds = 0 });
        var store = new MemoryStore();
        var recorder = new CallRecorder(store, new MemoryJournal(), new CallLog(store, House.CallSid), House.CallSid, _ => { }, time, NullLogger.Instance);
        await using var bridge = new CallBridge(
            House.CallSid, line, session, recorder, ManualTime.Start, (_, _) => Task.FromResult<IVoiceModel>(model), _ => { }, _ => Task.FromResult(""), new CallRules { LastWordsSeconds = 0 }, time, NullLogger.Instance);

        await bridge.RunAsync().WaitAsync(TimeSpan.FromSeconds(60));

        line.Received.ShouldBe(Frames + Warm);
        model.Received.ShouldBe(Frames + Warm);
        ShouldBeNothing(meter.FromCaller, "frames of the caller");
        ShouldBeNothing(meter.FromModel, "slices of the model's speech");
        recorder.Complete();
    }

    /// <summary>What the runtime does once, at a moment of its own, may fall into a round; a frame that allocates is in all of them.</summary>
    private static void ShouldBeNothing(AllocatedByRound allocated, string what)
    {
        var rounds = allocated.Bytes;
        rounds.Count.ShouldBe(Rounds);
        rounds.Count(bytes => bytes == 0).ShouldBeGreaterThanOrEqualTo(Rounds - 2, $"{what}: bytes by round of {Round}: {string.Join(", ", rounds)}");
    }

    private sealed class AllocatedByRound
    {
        private long _before;

        public List<long> Bytes { get; } = new(Rounds);

        public void At(int frame)
        {
            if (frame < Warm || frame % Round != 0)
            {
                return;
            }

            if (frame > Warm)
            {
                Bytes.Add(GC.GetAllocatedBytesForCurrentThread() - _before);
            }

            _before = GC.GetAllocatedBytesForCurrentThread();
        }
    }

    private sealed class Allocations
    {
        public TaskCompletionSource ModelIsUp { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public TaskCompletionSource ModelIsDone { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public AllocatedByRound FromCaller { get; } = new();

        public AllocatedByRound FromModel { get; } = new();
    }

    private sealed class QuietLine(Allocations meter) : ICallerLine
    {
        private readonly byte[] _payload = Encoding.ASCII.GetBytes(Convert.ToBase64String(new byte[160]));

        public int Received { get; private set; }

        public string StreamSid => "MZ0";

        public async Task ReadAsync(Receiver<LineMessage> receive, CancellationToken cancellationToken)
        {
            await meter.ModelIsDone.Task;
            for (var frame = 0; frame < Frames + Warm; frame++)
            {
                meter.FromCaller.At(frame);
                receive(new LineMessage(LineMessageKind.Media, _payload, 160, frame * 20));
            }

            meter.FromCaller.At(Frames + Warm);
            receive(new LineMessage(LineMessageKind.Stop));
        }

        public void SendMedia(ReadOnlySpan<byte> payload, bool more = false) => Received++;

        public void SendMark(PlaybackMark mark, bool more = false)
        {
        }

        public void SendClear()
        {
        }

        public Task CloseAsync(CancellationToken cancellationToken) => Task.CompletedTask;

        public ValueTask DisposeAsync() => ValueTask.CompletedTask;
    }

    private sealed class QuietModel(Allocations meter) : IVoiceModel
    {
        private readonly byte[] _payload = Encoding.ASCII.GetBytes(Convert.ToBase64String(new byte[400]));

        public int Received { get; private set; }

        public string SessionId => "sess_1";

        public DateTimeOffset ExpiresAt => ManualTime.Start.AddHours(1);

        public async Task ReadAsync(Receiver<ModelMessage> receive, CancellationToken cancellationToken)
        {
            await Task.Yield();
            receive(new ModelMessage(new ResponseCreated("r1", "greeting"), default));
            var audio = new ModelAudio("r1"u8.ToArray(), "a1"u8.ToArray(), 0, _payload, 400);
            for (var slice = 0; slice < Frames + Warm; slice++)
            {
                meter.FromModel.At(slice);
                receive(new ModelMessage(null, audio));
            }

            meter.FromModel.At(Frames + Warm);
            meter.ModelIsDone.SetResult();
            await Task.Delay(Timeout.Infinite, cancellationToken);
        }

        public void AppendAudio(ReadOnlySpan<byte> payload) => Received++;

        public void Send(ModelCommand command)
        {
        }

        public ValueTask DisposeAsync() => ValueTask.CompletedTask;
    }
}
