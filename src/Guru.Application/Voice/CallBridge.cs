using Guru.Application.VoiceSessions;
using Guru.Domain.Calls;
using Microsoft.Extensions.Logging;

namespace Guru.Application.Voice;

/// <summary>
/// Joins a caller's line and a voice model for one call: pumps frames both ways, hands everything that is not audio to the
/// <see cref="CallSession"/>, and carries out what it decides. docs/call-flow.md, steps 4 to 8.
/// </summary>
/// <remarks>
/// The two pumps and the timer take turns under one lock, which is never held across a wait: sending only queues, and facts
/// only go to the recorder. Model sessions are dialled beside the call.
/// </remarks>
public sealed partial class CallBridge : IAsyncDisposable
{
    private static readonly TimeSpan ShortestTimer = TimeSpan.FromMilliseconds(2);

    private static readonly byte[] Silence = SilenceInBase64();

    private readonly Lock _gate = new();
    private readonly ICallerLine _line;
    private readonly CallSession _session;
    private readonly CallRecorder _recorder;
    private readonly Func<VoiceConfiguration, CancellationToken, Task<IVoiceModel>> _dial;
    private readonly CallSid _callSid;
    private readonly Action<HeardTurn> _heard;
    private readonly Func<ArrangeCallBack, Task<string>> _arrange;
    private readonly ICallWatcher? _watcher;
    private readonly CallRules _rules;
    private readonly TimeProvider _time;
    private readonly ILogger _logger;
    private readonly ITimer _timer;
    private readonly long _started;
    private readonly TimeSpan _startedAt;
    private readonly CallerTape _tape = new();
    private readonly CancellationTokenSource _over = new();
    private readonly TaskCompletionSource<CallEndReason?> _finished = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly List<Task> _beside = [];

    private IVoiceModel? _model;
    private IVoiceModel? _dialed;
    private TimeSpan? _timerSetTo;
    private bool _closed; // Nothing is taken in any more.

    /// <param name="zero">The wall time at which the call's clock stands at 0.</param>
    /// <param name="heard">Told of each turn that goes on record, also of one that does when the line is gone.</param>
    /// <param name="arrange">Puts on record what the caller wants about a call at a later time, and tells what came of it.</param>
    /// <param name="dial">Opens a session with the model; the first may have been opened before.</param>
    public CallBridge(
        CallSid callSid,
        ICallerLine line,
        CallSession session,
        CallRecorder recorder,
        DateTimeOffset zero,
        Func<VoiceConfiguration, CancellationToken, Task<IVoiceModel>> dial,
        Action<HeardTurn> heard,
        Func<ArrangeCallBack, Task<string>> arrange,
        CallRules rules,
        TimeProvider time,
        ILogger logger)
    {
        (_callSid, _line, _session, _recorder, _dial, _heard, _arrange, _rules, _time, _logger) =
            (callSid, line, session, recorder, dial, heard, arrange, rules, time, logger);
        _watcher = line as ICallWatcher;
        _started = time.GetTimestamp();
        _startedAt = time.GetUtcNow() - zero;
        _timer = time.CreateTimer(static bridge => ((CallBridge)bridge!).OnTimer(), this, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
    }

    /// <summary>Why Guru ended the call; null while it goes on.</summary>
    public CallEndReason? EndReason { get; private set; }

    private TimeSpan Now => _startedAt + _time.GetElapsedTime(_started);

    /// <summary>Carries the call until it is over.</summary>
    /// <returns>Why the call ended; null where the stream was lost and the call may go on over another.</returns>
    public async Task<CallEndReason?> RunAsync()
    {
        Beside(DialAsync(_session.Configured));
        var fromCaller = PumpCallerAsync();
        var reason = await _finished.Task;
        await _over.CancelAsync();
        await fromCaller.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        return reason;
    }

    /// <summary>Guru is going to stop: the call may go on for a while.</summary>
    public void Drain(TimeSpan within) => Tell(new DrainBegan(within));

    /// <summary>The carrier said elsewhere that the call is over.</summary>
    public void CarrierEnded() => Tell(new CallerHungUp());

    /// <summary>Guru stops now.</summary>
    public void Stop() => Tell(new StopNow());

    /// <summary>What was heard on the stream before this one, and was not on record when this one was prepared.</summary>
    public void HearLate(HeardTurn turn) => Tell(new HeardLate(turn));

    /// <summary>Keeps what would be lost of the conversation with this process.</summary>
    public void KeepUnfinished()
    {
        lock (_gate)
        {
            if (_closed)
            {
                return;
            }

            try
            {
                _recorder.KeepUnfinished(_session.Unfinished(Now));
            }
            catch (Exception error)
            {
                LogPumpFailed(_callSid, "unfinished", error); // The call goes on without.
            }
        }
    }

    /// <summary>Another stream has taken the call over, or this one had no right to it.</summary>
    public void Fence() => Tell(new LineLost());

    public async ValueTask DisposeAsync()
    {
        await _over.CancelAsync();
        await _timer.DisposeAsync();
        Task[] beside;
        lock (_gate)
        {
            // So that nothing is begun that would not be waited for, or on what has been let go.
            _closed = true;
            _recorder.KeepUnfinished([]);
            beside = [.. _beside];
        }

        await Task.WhenAll(beside).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);

        foreach (var model in new[] { _model, _dialed })
        {
            if (model is not null)
            {
                await model.DisposeAsync();
            }
        }

        // Polite, also after the carrier's stop: a socket that is just dropped is an error at the carrier's.
        await _line.CloseAsync(CancellationToken.None);
        await _line.DisposeAsync();
        _tape.Dispose();
        _over.Dispose();
    }

    private async Task PumpCallerAsync()
    {
        CallInput ended = new LineLost();
        try
        {
            await _line.ReadAsync(
                (in LineMessage message) =>
                {
                    switch (message.Kind)
                    {
                        case LineMessageKind.Media:
                            OnFrame(message);
                            break;
                        case LineMessageKind.Mark:
                            OnMark(message.Mark);
                            break;
                        case LineMessageKind.Dtmf:
                            Tell(new DigitPressed(message.Digit));
                            break;
                        case LineMessageKind.Stop:
                            ended = new CallerHungUp();
                            break;
                    }

                    return true;
                },
                _over.Token);
        }
        catch (OperationCanceledException) when (_over.IsCancellationRequested)
        {
            return;
        }
        catch (Exception error)
        {
            LogPumpFailed(_callSid, "line", error);
        }

        Tell(ended);
    }

    /// <summary>A fault of ours ends this call, and no other.</summary>
    private void Guarded(Action action)
    {
        try
        {
            action();
        }
        catch (Exception error)
        {
            Fail(error);
        }
    }

    /// <summary>What the session has come to is not built upon: the call goes on from its record, where it can, which has what was being said.</summary>
    private void Fail(Exception error)
    {
        LogPumpFailed(_callSid, "session", error);
        lock (_gate)
        {
            if (!_closed)
            {
                _closed = true;
                KeepWhatIsThere();
            }
        }

        _finished.TrySetResult(null);
    }

    private void KeepWhatIsThere()
    {
        try
        {
            Keep(_session.TakeDecisions());
            foreach (var fact in _session.Unfinished(Now))
            {
                Keep(fact);
            }
        }
        catch (Exception error)
        {
            LogPumpFailed(_callSid, "unfinished", error); // The same fault, or another of ours.
        }
    }

    private async Task PumpModelAsync(IVoiceModel model)
    {
        try
        {
            await model.ReadAsync((in ModelMessage message) => Take(model, message), _over.Token);
        }
        catch (OperationCanceledException) when (_over.IsCancellationRequested)
        {
        }
        catch (Exception error)
        {
            LogPumpFailed(_callSid, "model", error);
            Take(model, new ModelMessage(new ModelClosed(Code: null, Reason: null), default));
        }
        finally
        {
            await model.DisposeAsync();
        }
    }

    /// <returns>False once the model need not be read any more.</returns>
    private bool Take(IVoiceModel model, in ModelMessage message)
    {
        try
        {
            return message.Event is { } @event ? Tell(model, @event) : OnSpeech(model, message.Audio);
        }
        catch (Exception error)
        {
            Fail(error);
            return false;
        }
    }

    private async Task DialAsync(VoiceConfiguration configuration)
    {
        CallInput outcome;
        try
        {
            var model = await _dial(configuration, _over.Token);
            lock (_gate)
            {
                (var replaced, _dialed) = (_dialed, model);
                Beside(replaced?.DisposeAsync().AsTask() ?? Task.CompletedTask);
            }

            outcome = new ModelDialed(model.SessionId, Now + (model.ExpiresAt - _time.GetUtcNow()));
        }
        catch (OperationCanceledException) when (_over.IsCancellationRequested)
        {
            return;
        }
        catch (VoiceModelException error)
        {
            LogDialFailed(_callSid, error.Code, error.Transient);
            outcome = new ModelDialFailed(error.Code, error.Transient, error.RetryAfter);
        }
        catch (Exception error)
        {
            LogPumpFailed(_callSid, "dial", error);
            outcome = new ModelDialFailed(error.GetType().Name, Transient: true);
        }

        Tell(outcome);
    }

    // --- the audio path: no wait, no allocation, nothing slow ---

    private void OnFrame(in LineMessage message)
    {
        lock (_gate)
        {
            if (_closed)
            {
                return;
            }

            var frame = _session.PlaceFrame(message.Bytes, message.TimestampMs, Now);
            if (frame.GapMs > 0)
            {
                AppendSilence(frame.GapMs, frame.CallMs - frame.GapMs);
            }

            Append(message.Payload.Span, message.Bytes, frame.CallMs);
        }
    }

    /// <returns>False once another session with the model is in use, or none.</returns>
    private bool OnSpeech(IVoiceModel model, in ModelAudio audio)
    {
        lock (_gate)
        {
            if (model != _model || _closed)
            {
                return false;
            }

            var decision = _session.OnModelAudio(audio, Now);
            if (!decision.Play)
            {
                CallMeter.DroppedCut();
            }
            else
            {
                if (decision.Before is { } before)
                {
                    _line.SendMark(before, more: true);
                }

                _line.SendMedia(audio.Payload.Span, more: decision.After is not null);
                if (decision.After is { } after)
                {
                    _line.SendMark(after);
                }
            }

            CarryOut();
            return true;
        }
    }

    private void OnMark(PlaybackMark mark)
    {
        lock (_gate)
        {
            if (!_closed)
            {
                _session.OnMark(mark, Now);
                CarryOut();
            }
        }
    }

    private void Append(ReadOnlySpan<byte> payload, int bytes, long callMs)
    {
        var dropped = _tape.Add(payload, bytes, callMs, _session.KeepsCaller);
        if (_model is null)
        {
            CallMeter.Held(dropped);
        }
        else
        {
            Deliver();
        }
    }

    private void AppendSilence(int ms, long callMs)
    {
        CallMeter.Padded(ms);
        for (var left = ms * AudioLength.BytesPerMs; left > 0;)
        {
            // 3 bytes are 4 characters, so that any prefix of that step is valid base64.
            var bytes = Math.Min(left, SilenceBytes);
            Append(Silence.AsSpan(0, (bytes + 2) / 3 * 4), (bytes + 2) / 3 * 3, callMs);
            left -= bytes;
            callMs += AudioLength.ToMs(bytes);
        }
    }

    // --- everything else goes to the session ---

    private void OnTimer()
    {
        lock (_gate)
        {
            _timerSetTo = null;
            if (_session.Deadline - Now <= ShortestTimer)
            {
                Tell(new DeadlineCame());
            }
            else
            {
                SetTimer(); // It was put off meanwhile.
            }
        }
    }

    private void Tell(CallInput input)
    {
        lock (_gate)
        {
            if (_closed)
            {
                return;
            }

            Guarded(() =>
            {
                _session.Handle(input, Now);
                CarryOut();
            });
        }
    }

    /// <returns>As for speech.</returns>
    private bool Tell(IVoiceModel model, ModelEvent @event)
    {
        lock (_gate)
        {
            if (model != _model || _closed)
            {
                return false;
            }

            LogTrouble(@event);
            _watcher?.OnModelEvent(@event);
            _session.Handle(new FromModel(@event), Now);
            if (@event is ModelClosed && model == _model)
            {
                _model = null;
            }

            CarryOut();
            return true;
        }
    }

    private void LogTrouble(ModelEvent @event)
    {
        switch (@event)
        {
            case ModelErrored e:
                LogModelErrored(_callSid, e.Code, e.ClientEventId);
                break;
            case ResponseDone { Status: "failed" } e:
                LogResponseFailed(_callSid, e.ErrorCode);
                break;
            case ModelClosed e:
                LogModelClosed(_callSid, e.Code);
                break;
        }
    }

    private void CarryOut()
    {
        var decisions = _session.TakeDecisions();
        Keep(decisions); // Before anything that may fail.
        foreach (var decision in decisions)
        {
            switch (decision)
            {
                case TellModel d:
                    _model?.Send(d.Command);
                    break;
                case AppendSilence d:
                    AppendSilence(d.Ms, d.CallMs);
                    break;
                case ClearLine:
                    _line.SendClear();
                    break;
                case MarkLine d:
                    _line.SendMark(d.Mark);
                    break;
                case Record d:
                    _watcher?.OnFact(d.Fact);
                    break;
                case ArrangeCallBack d:
                    Beside(Task.Run(async () => Tell(new CallBackAnswered(d.ToolCallId, await _arrange(d))), CancellationToken.None));
                    break;
                case DialModel d:
                    var configuration = _session.Configuration(d.Agent, d.Language);
                    Beside(Task.Run(() => DialAsync(configuration), CancellationToken.None));
                    break;
                case DropModel:
                    Beside(_dialed!.DisposeAsync().AsTask());
                    _dialed = null;
                    break;
                case ConfigureModel d:
                    _model?.Send(new Configure(_session.Configuration(d.Agent, d.Language), d.IsFresh));
                    break;
                case UseModel:
                    Use();
                    break;
                case RewindCaller d:
                    _tape.Rewind(d.FromMs);
                    break;
                case HangUp d:
                    _line.SendClear(); // The closing waits for the record, in which no more was heard than by now.
                    EndReason = d.Reason;
                    Beside(Task.Run(CloseLineAsync, CancellationToken.None));
                    break;
                case Finish d:
                    _finished.TrySetResult(d.Reason);
                    break;
            }
        }

        Deliver(); // After the model has been told what came before.
        SetTimer();
    }

    private void Keep(IReadOnlyList<CallDecision> decisions)
    {
        foreach (var decision in decisions)
        {
            if (decision is Record d)
            {
                Keep(d.Fact);
            }
        }
    }

    private void Keep(CallCommand fact)
    {
        _recorder.Record(fact);
        if (fact is RecordUtterance { Utterance: { Heard.Length: > 0 } said })
        {
            _heard(new HeardTurn(said.Speaker, said.Heard, said.Interrupted, said.StartMs));
        }
    }

    /// <summary>Hands the model what it has not heard: the frame that just came, or all that was kept for it.</summary>
    private void Deliver()
    {
        while (_model is not null && _tape.TryDeliver(out var payload, out var bytes, out var callMs))
        {
            _model.AppendAudio(payload);
            _session.Appended(bytes, callMs);
        }
    }

    private void Use()
    {
        // The pump of the one before sees that it is not in use any more, and lets go of it.
        var before = _model;
        (_model, _dialed) = (_dialed, null);
        var model = _model!;
        LogModelInUse(_callSid, model.SessionId);
        Beside(Task.Run(() => PumpModelAsync(model), CancellationToken.None));
        if (before is not null)
        {
            Beside(before.DisposeAsync().AsTask());
        }
    }

    private async Task CloseLineAsync()
    {
        try
        {
            // First the record, so that the action URL, on whichever node, finds why the call ended.
            await _recorder.FlushAsync(_rules.HangUpFlush);
            await _line.CloseAsync(CancellationToken.None);
        }
        catch (Exception error)
        {
            LogPumpFailed(_callSid, "close", error);
        }
    }

    private void SetTimer()
    {
        // Nearly every frame puts the deadline off a little: the timer is left as it is, and looks again when it comes.
        if (_session.Deadline is not { } deadline || deadline >= _timerSetTo)
        {
            return;
        }

        _timerSetTo = deadline;
        var due = deadline - Now;
        _timer.Change(due > ShortestTimer ? due : ShortestTimer, Timeout.InfiniteTimeSpan);
    }

    private void Beside(Task task)
    {
        lock (_gate)
        {
            _beside.Add(task);
        }
    }

    /// <summary>A step of silence: 100 ms, cut to a multiple of 3 bytes.</summary>
    private const int SilenceBytes = 798;

    private static byte[] SilenceInBase64()
    {
        const byte MuLawSilence = 0xFF;
        var silence = new byte[SilenceBytes];
        silence.AsSpan().Fill(MuLawSilence);
        return System.Text.Encoding.ASCII.GetBytes(Convert.ToBase64String(silence));
    }

    [LoggerMessage(Level = LogLevel.Error, Message = "Call {CallSid}: the {Side} pump failed")]
    private partial void LogPumpFailed(CallSid callSid, string side, Exception error);

    [LoggerMessage(Level = LogLevel.Warning, Message = "Call {CallSid}: the model reports {Code} (our event: {ClientEventId})")]
    private partial void LogModelErrored(CallSid callSid, string? code, string? clientEventId);

    [LoggerMessage(Level = LogLevel.Warning, Message = "Call {CallSid}: a response failed: {Code}")]
    private partial void LogResponseFailed(CallSid callSid, string? code);

    [LoggerMessage(Level = LogLevel.Information, Message = "Call {CallSid}: the model's session is closed ({Code})")]
    private partial void LogModelClosed(CallSid callSid, int? code);

    [LoggerMessage(Level = LogLevel.Information, Message = "Call {CallSid}: the model's session {SessionId} is in use")]
    private partial void LogModelInUse(CallSid callSid, string sessionId);

    [LoggerMessage(Level = LogLevel.Warning, Message = "Call {CallSid}: the model refused a session: {Code} (transient: {Transient})")]
    private partial void LogDialFailed(CallSid callSid, string code, bool transient);
}
