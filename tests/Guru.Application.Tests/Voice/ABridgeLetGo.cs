using Guru.Application.Calls;
using Guru.Application.Voice;
using Guru.Application.VoiceSessions;
using Guru.Domain.Calls;
using Microsoft.Extensions.Logging.Abstractions;
using Shouldly;

namespace Guru.Application.Tests.Voice;

/// <summary>Another stream, the carrier's callbacks and a stopping host may have a bridge in hand whose line and models are gone.</summary>
public sealed class ABridgeLetGo
{
    private readonly MemoryStore _store = new();
    private readonly ScriptedLine _line = new();
    private readonly ScriptedDialer _dialer;
    private readonly CallRecorder _recorder;
    private readonly CallBridge _bridge;

    public ABridgeLetGo()
    {
        var (time, rules) = (new ManualTime(), new CallRules());
        _dialer = new ScriptedDialer(time);
        _recorder = new CallRecorder(_store, new MemoryJournal(), new CallLog(_store, House.CallSid), House.CallSid, _ => { }, time, NullLogger.Instance);
        _bridge = new CallBridge(
            House.CallSid,
            _line,
            new CallSession(new CallSessionStart(ManualTime.Start, House.Agents, new VoiceSettings(), "general", Language: null, Resumed: false, []), rules),
            _recorder,
            ManualTime.Start,
            (configuration, token) => _dialer.DialAsync(configuration, "", token),
            _ => { },
            _ => Task.FromResult(""),
            rules,
            time,
            NullLogger.Instance);
    }

    [Fact]
    public async Task Decides_nothing_any_more_though_a_fault_left_its_session_in_mid_call()
    {
        var model = await FaultAsync(_ => _line.Comes(new LineMessage(LineMessageKind.Dtmf, Digit: '1')));
        await _bridge.DisposeAsync();

        await ShouldTakeNothingInAsync(model, () =>
        {
            _bridge.HearLate(new HeardTurn(Speaker.Caller, "late words", Cut: false, StartMs: 0));
            _bridge.Drain(TimeSpan.Zero);
            _bridge.Stop();
            _bridge.CarrierEnded();
            _bridge.Fence();
            return Task.CompletedTask;
        });
    }

    [Fact]
    public async Task Decides_nothing_while_it_lets_go()
    {
        var model = await FaultAsync(model => model.Says(new ToolCalled("r1", "tool", "call_1", "no_such_tool", "{}")));
        _line.WhileClosing = _bridge.Stop;

        await ShouldTakeNothingInAsync(model, () => _bridge.DisposeAsync().AsTask());
        _line.IsDisposed.ShouldBeTrue();
    }

    /// <summary>The call ends by a fault of Guru's own while it goes on for everybody else.</summary>
    /// <param name="input">Over which it comes: the caller's or the model's.</param>
    private async Task<ScriptedModel> FaultAsync(Action<ScriptedModel> input)
    {
        var run = _bridge.RunAsync();
        await ManualTime.UntilAsync(() => _dialer.Models is [var dialed] && dialed.Told.OfType<CreateResponse>().Any());
        var model = _dialer.Models[0];
        model.Fails = new InvalidOperationException("A fault of ours.");
        input(model);
        (await run.WaitAsync(TimeSpan.FromSeconds(20))).ShouldBeNull();
        model.Fails = null;
        return model;
    }

    private async Task ShouldTakeNothingInAsync(ScriptedModel model, Func<Task> input)
    {
        var (told, sent) = (model.Told.Count, _line.Sent.Count);
        await input();
        _recorder.Complete();
        await _recorder.Completion.WaitAsync(TimeSpan.FromSeconds(20));

        _bridge.EndReason.ShouldBeNull();
        (model.Told.Count, _line.Sent.Count, _dialer.Models.Count).ShouldBe((told, sent, 1));
        _store.Attempts.ShouldBe(0);
    }
}
