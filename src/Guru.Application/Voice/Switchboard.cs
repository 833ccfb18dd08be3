using System.Collections.Concurrent;
using Guru.Application.Calling;
using Guru.Application.Calls;
using Guru.Application.Conversations;
using Guru.Application.Recordings;
using Guru.Application.Traces;
using Guru.Application.VoiceSessions;
using Guru.Domain;
using Guru.Domain.Agents;
using Guru.Domain.Calls;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;

namespace Guru.Application.Voice;

/// <summary>
/// The calls of this process: those whose Media Stream is expected, with a model dialled for each, and those on the line.
/// Nothing here is needed by another node: a stream that comes elsewhere is looked up in the call's events.
/// </summary>
public sealed partial class Switchboard(
    IEventStore store,
    ICallJournal journal,
    CallerMemory memory,
    IVoiceModelDialer dialer,
    IBrowserSessions browsers,
    CallBackDesk callBacks,
    IOptions<CallRules> rules,
    IOptions<VoiceSettings> voice,
    AgentCatalog agents,
    CallTracer tracer,
    CallRecordings recordings,
    TimeProvider time,
    ILogger<Switchboard> logger) : IDisposable
{
    private const int MostEndingsKept = 10_000;
    private const int MostWaitsForResume = 4;

    /// <summary>How long the carrier, which was hung up on, may take to ask what is next, and to fetch what the answer names: it comes a round trip later.</summary>
    private static readonly TimeSpan CarrierAsksWithin = TimeSpan.FromSeconds(5);

    private readonly HashSet<Place> _places = [];
    private readonly ConcurrentDictionary<CallSid, Expectation> _expected = new();
    private readonly ConcurrentDictionary<CallSid, LiveCall> _live = new();
    private readonly ConcurrentDictionary<CallSid, LiveCall> _closing = new();
    private readonly ConcurrentDictionary<CallSid, LiveCall> _unasked = new();
    private readonly ConcurrentDictionary<Task, CallSid> _paperwork = new();
    private readonly ConcurrentDictionary<CallSid, CallEnding> _endings = new();
    private readonly ConcurrentQueue<CallSid> _endingsOrder = new();
    private readonly CancellationTokenSource _stopping = new();
    private volatile Draining? _draining;

    /// <summary>The name of this process in events.</summary>
    public string Node { get; } = $"{Environment.MachineName}-{Environment.ProcessId}";

    public int ActiveCalls => _live.Count;

    /// <summary>Done when everything about the calls that are over now is stored.</summary>
    public Task PaperworkDone => Task.WhenAll(_live.Values.Select(live => live.Over).Concat(_paperwork.Keys));

    /// <summary>Calls are recorded, so that callers are to be told.</summary>
    public bool Records => recordings.AreMade;

    public bool IsDraining => _draining is not null;

    /// <summary>Takes a place for a call while it is being answered; once it is expected, it has one of its own.</summary>
    /// <param name="refusal">Why there is none; null where there is.</param>
    /// <returns>To be disposed when the call is expected, or will not be.</returns>
    public IDisposable TakePlace(CallSid? callSid, out CallEndReason? refusal)
    {
        var place = new Place(this, callSid);
        lock (_places)
        {
            var more = _places.Where(other => other.CallSid is not { } sid || !(_expected.ContainsKey(sid) || _live.ContainsKey(sid)));
            var taken = _live.Count + _expected.Count + more.DistinctBy(other => other.CallSid?.Value ?? (object)other).Count();
            var isAnsweredAgain = callSid is { } own && (_expected.ContainsKey(own) || _live.ContainsKey(own) || _places.Any(other => other.CallSid == own));
            refusal = isAnsweredAgain ? null
                : IsDraining ? CallEndReason.ShuttingDown
                : taken >= rules.Value.MaxConcurrent ? CallEndReason.AtCapacity
                : null;
            if (refusal is null)
            {
                _places.Add(place);
            }
        }

        return place;
    }

    /// <summary>Keeps a place, without asking whether there is one, for a call that has been answered and is soon expected, or on the line.</summary>
    public IDisposable KeepPlace(CallSid callSid)
    {
        var place = new Place(this, callSid);
        lock (_places)
        {
            _places.Add(place);
        }

        return place;
    }

    /// <summary>Prepares for a call's Media Stream: a model is dialled now, and dropped if no stream comes.</summary>
    public void Expect(ExpectedCall call)
    {
        if (IsCarriedBy(call.CallSid, call.StreamTokenHash))
        {
            return; // The webhook was delivered again when the stream was up already.
        }

        var expectation = new Expectation(call);
        while (!_expected.TryAdd(call.CallSid, expectation))
        {
            if (_expected.TryGetValue(call.CallSid, out var before))
            {
                if (before.Call.StreamTokenHash == call.StreamTokenHash)
                {
                    return; // The webhook was delivered twice.
                }

                Drop(before); // The carrier asked again: the next stream presents the later token.
            }
        }

        expectation.Model = Task.Run(() => DialAsync(call, expectation.Abandoned.Token), CancellationToken.None);
        expectation.Expiry = time.CreateTimer(_ => Drop(expectation), state: null, rules.Value.UnusedModel, Timeout.InfiniteTimeSpan);
    }

    /// <summary>Why a call ended that was on this process's line, so that the carrier gets an answer without the database.</summary>
    public CallEnding? EndingOf(CallSid callSid) =>
        _endings.TryGetValue(callSid, out var ending) ? ending
        : _live.TryGetValue(callSid, out var live) && live.EndReason is { } reason ? new CallEnding(reason, live.Language)
        : null;

    /// <summary>Puts a fact behind those of a call that is, or was just, on this process's line, so that they are stored in their order.</summary>
    /// <returns>False if the call is not here.</returns>
    public bool TryRecord(CallSid callSid, CallCommand fact) =>
        (_live.TryGetValue(callSid, out var live) && live.Recorder!.Record(fact))
        || (_closing.TryGetValue(callSid, out var closing) && closing.Recorder!.Record(fact));

    /// <summary>Stores facts of a call that is not here as soon as the database answers.</summary>
    /// <returns>Done when they are stored.</returns>
    public Task RecordLater(CallSid callSid, params IEnumerable<CallCommand> facts)
    {
        var recorder = new CallRecorder(store, journal, new CallLog(store, callSid), callSid, _ => { }, time, logger);
        foreach (var fact in facts)
        {
            recorder.Record(fact);
        }

        recorder.Complete();
        Paperwork(callSid, recorder.Completion);
        return recorder.Completion;
    }

    /// <summary>Carries a call over a Media Stream until it is over, and disposes the line.</summary>
    /// <param name="token">What the stream presented.</param>
    /// <returns>False if the stream had no right to the call.</returns>
    public async Task<bool> ConnectAsync(ICallerLine line, CallSid callSid, string token, CancellationToken cancellationToken)
    {
        await using var owned = line;
        var connect = new ConnectMediaStream(line.StreamSid, StreamToken.Hash(token), Node, time.GetUtcNow());
        LiveCall? live;
        using (KeepPlace(callSid))
        {
            live = await AdmitAsync(callSid, connect, cancellationToken);
            if (live is not null)
            {
                (_live.GetValueOrDefault(callSid) ?? _closing.GetValueOrDefault(callSid))?.GoOnOver(live);
                _live[callSid] = live;
            }
        }

        if (live is null)
        {
            LogRefused(callSid, line.StreamSid);
            await line.CloseAsync(cancellationToken);
            return false;
        }

        CallMeter.Connected();
        LogConnected(callSid, line.StreamSid);
        CallEndReason? reason = null;
        try
        {
            reason = await CarryAsync(line, live, connect.At);
        }
        finally
        {
            Remember(live, reason);
            _ = AwaitCarrierAsync(live, reason);
            _closing[callSid] = live;
            Paperwork(callSid, FinishAsync(live, line.StreamSid, reason));
            _live.TryRemove(new KeyValuePair<CallSid, LiveCall>(callSid, live));
            CallMeter.Disconnected();
            LogCarried(callSid, line.StreamSid, reason?.ToString() ?? "stream lost");
        }

        return true;
    }

    /// <summary>Keeps, of every so many-th call, what would be lost of the conversation with this process.</summary>
    public void KeepUnfinished(int remainder, int divisor)
    {
        foreach (var (callSid, live) in _live)
        {
            if ((uint)callSid.GetHashCode() % divisor == remainder)
            {
                live.KeepUnfinished();
            }
        }
    }

    /// <summary>The carrier says that the call is over; its stream's socket may not know yet.</summary>
    public void CarrierEnded(CallSid callSid)
    {
        if (_live.TryGetValue(callSid, out var live))
        {
            live.CarrierEnded();
        }

        CarrierAsked(callSid);
        if (_expected.TryGetValue(callSid, out var expectation))
        {
            Drop(expectation);
        }
    }

    /// <summary>The carrier asked what is next now that a call's stream is over, and has the answer, or will not ask.</summary>
    public void CarrierAsked(CallSid callSid)
    {
        _live.GetValueOrDefault(callSid)?.CarrierAsked();
        _unasked.GetValueOrDefault(callSid)?.CarrierAsked();
    }

    /// <summary>Ends every call on the line, and waits for the records, and for what the carrier asks then.</summary>
    /// <param name="limit">Whose call has something left to do then is told in the log: the next start stores the facts, which the journal has.</param>
    public async Task StopAsync(TimeSpan limit)
    {
        _draining ??= new Draining(TimeSpan.Zero, time.GetTimestamp());
        foreach (var live in _live.Values)
        {
            live.Stop();
        }

        await _stopping.CancelAsync();
        await PaperworkDone.WaitAsync(limit, time, CancellationToken.None).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        foreach (var callSid in _paperwork.Values)
        {
            LogNotDone(callSid);
        }

        await Task.WhenAll(Unasked());
    }

    /// <summary>Takes no new calls, lets live ones go on for the time given, and waits for all of them, their records and the carrier's last questions.</summary>
    public async Task DrainAsync(TimeSpan within, CancellationToken cancellationToken)
    {
        _draining = new Draining(within, time.GetTimestamp());
        foreach (var live in _live.Values)
        {
            live.Drain(within);
        }

        // A stream that the carrier was told to connect may still come, so that the set is looked at again after each wait.
        // In the order in which a call goes from one to the next.
        while (BeingAnswered().Concat(_expected.Values.Select(expected => expected.Over)).Concat(_live.Values.Select(live => live.Over))
            .Concat(Unasked()).Concat(_paperwork.Keys).ToArray()
            is { Length: > 0 } waiting)
        {
            await Task.WhenAll(waiting).WaitAsync(cancellationToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            cancellationToken.ThrowIfCancellationRequested();
        }
    }

    public void Dispose() => _stopping.Dispose();

    private async Task<LiveCall?> AdmitAsync(CallSid callSid, ConnectMediaStream connect, CancellationToken cancellationToken)
    {
        if (IsCarriedBy(callSid, connect.StreamTokenHash))
        {
            return null; // The token is used, though its record may still be on its way.
        }

        if (TakeExpected(callSid, connect.StreamTokenHash) is { } expectation)
        {
            // Its token is in memory: the caller need not wait for the database, which hears of it behind the audio.
            var live = new LiveCall(expectation.Call, expectation.Model);
            live.Recorder = Recorder(callSid, new CallLog(store, callSid), live);
            live.Recorder.Record(connect);
            return live;
        }

        try
        {
            return await Patience.LimitAsync(token => ClaimAsync(callSid, connect, token), rules.Value.Commit, time, cancellationToken);
        }
        catch (RuleException)
        {
            return null;
        }
        catch (Exception error) when (!cancellationToken.IsCancellationRequested)
        {
            LogNotAdmitted(callSid, error.GetType().Name);
            return null;
        }
    }

    /// <summary>Asks the call's events whether the stream may have it, and claims it there.</summary>
    private async Task<LiveCall?> ClaimAsync(CallSid callSid, ConnectMediaStream connect, CancellationToken cancellationToken)
    {
        var log = new CallLog(store, callSid);
        var events = await log.ReadAsync(cancellationToken);
        if (log.State.CallerId is not { } caller)
        {
            return null;
        }

        // The claim comes last: a stream that is claimed and then given up has used its token.
        var known = await memory.OfAsync(caller, entry => entry.CallSid == callSid.Value, cancellationToken);
        if (await log.AppendAsync(connect, readAgain: now => events = now, cancellationToken) is [] || log.State.StreamSid != connect.StreamSid)
        {
            return null; // The stream is connected already, perhaps to another node, or a later one is.
        }

        var live = new LiveCall(ExpectedCall.From(callSid, events, connect.StreamTokenHash, known.Text), model: null);
        live.Recorder = Recorder(callSid, log, live);
        return live;
    }

    private bool IsCarriedBy(CallSid callSid, string tokenHash) =>
        _live.TryGetValue(callSid, out var live) && live.Call.StreamTokenHash == tokenHash;

    private async Task<CallEndReason?> CarryAsync(ICallerLine line, LiveCall live, DateTimeOffset connectedAt)
    {
        var call = live.Call;
        var zero = call.Earlier?.Zero ?? connectedAt;
        var start = new CallSessionStart(
            zero,
            agents,
            voice.Value,
            agents[call.Agent].Name,
            call.Language,
            Resumed: call.Earlier is not null,
            call.Earlier?.SoFar ?? [],
            line.StreamSid,
            CallPrompts.Remember(call.Purpose, call.Memory),
            Sideband: call.CallSid.IsWebapp,
            Purpose: call.Purpose,
            BeginsAt: connectedAt - zero);
        var trace = tracer.Begin(start, rules.Value);
        live.Recording = recordings.Begin(call, line.StreamSid, zero, connectedAt, Node);
        line = live.Recording is null ? line : new RecordedLine(line, live.Recording);
        try
        {
            return await CarryAsync(line, live, zero, new CallSession(start, rules.Value, trace));
        }
        finally
        {
            if (trace is not null)
            {
                Paperwork(call.CallSid, Task.Run(() => tracer.KeepAsync(call.CallSid, call.CallerId, line.StreamSid, connectedAt, trace), CancellationToken.None));
            }
        }
    }

    private async Task<CallEndReason?> CarryAsync(ICallerLine line, LiveCall live, DateTimeOffset zero, CallSession session)
    {
        var call = live.Call;
        await using var bridge = new CallBridge(
            call.CallSid,
            line,
            session,
            live.Recorder!,
            zero,
            (configuration, token) => live.DialAsync(inner => DialAsync(call, configuration, inner), token),
            turn => live.Hear(turn),
            wish => callBacks.AnswerAsync(call.CallSid, call.CallerId, wish),
            rules.Value,
            time,
            logger);
        live.Attach(bridge);
        if (_draining is { } draining)
        {
            live.Drain(draining.Left(time)); // Who comes late has as long as the others: the process waits for nobody longer.
        }

        return await bridge.RunAsync();
    }

    /// <summary>What is left to do when the line is gone: the record, and the end of a call that nobody continues.</summary>
    private async Task FinishAsync(LiveCall live, string streamSid, CallEndReason? reason)
    {
        var callSid = live.Call.CallSid;
        var recorder = live.Recorder!;
        Paperwork(callSid, live.LetGoOfModelAsync()); // Nobody will use it, and what follows waits for the database.
        try
        {
            await AwaitNextStreamAsync(live, streamSid, reason);
            if (live.Recording is { } recording && await recording.CompleteAsync() is { } stored)
            {
                recorder.Record(new RecordRecording(stored));
            }
        }
        finally
        {
            recorder.Complete();
            await recorder.Completion.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            _closing.TryRemove(new KeyValuePair<CallSid, LiveCall>(callSid, live));
            await live.DisposeAsync();
        }

        await recorder.Completion; // Whether it failed is for the log.
    }

    /// <summary>Ends a call whose stream is lost when no other has come in its place for a while.</summary>
    private async Task AwaitNextStreamAsync(LiveCall live, string streamSid, CallEndReason? reason)
    {
        var recorder = live.Recorder!;
        for (var waits = 0; reason is null && !recorder.HasEnded && !live.IsFenced && waits < MostWaitsForResume; waits++)
        {
            await Task.Delay(Call.ResumeWindow, time, _stopping.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            if (_stopping.IsCancellationRequested)
            {
                break; // The call may go on over another node.
            }

            recorder.Record(new EndCall(CallEndReason.StreamLost, time.GetUtcNow(), streamSid));
            await recorder.FlushAsync(Call.ResumeWindow);
        }
    }

    /// <summary>Nobody is asked after a caller who has hung up, nor after a browser; and for a stream that another took over it was asked before.</summary>
    private async Task AwaitCarrierAsync(LiveCall live, CallEndReason? reason)
    {
        var callSid = live.Call.CallSid;
        if (reason == CallEndReason.CallerHungUp || callSid.IsWebapp || live.IsFenced)
        {
            return;
        }

        _unasked[callSid] = live;
        await live.Asked.WaitAsync(CarrierAsksWithin, time, CancellationToken.None).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        live.CarrierAsked();
        _unasked.TryRemove(new KeyValuePair<CallSid, LiveCall>(callSid, live));
    }

    private IEnumerable<Task> Unasked() => _unasked.Values.Select(live => live.Asked);

    private Task<IVoiceModel> DialAsync(ExpectedCall call, CancellationToken cancellationToken) =>
        DialAsync(call, voice.Value.For(agents, call.Agent, call.Language, time.GetUtcNow()), cancellationToken);

    private Task<IVoiceModel> DialAsync(ExpectedCall call, VoiceConfiguration configuration, CancellationToken cancellationToken) =>
        call.CallSid.IsWebapp
            ? browsers.AttendAsync(call.CallSid, cancellationToken)
            : dialer.DialAsync(configuration, call.CallerId.Value, cancellationToken);

    private CallRecorder Recorder(CallSid callSid, CallLog log, LiveCall live) => new(
        store,
        journal,
        log,
        callSid,
        refused =>
        {
            if (refused is ConnectMediaStream)
            {
                live.Fence(); // Another node's stream used the token first.
            }
        },
        time,
        logger);

    private Expectation? TakeExpected(CallSid callSid, string tokenHash)
    {
        if (!_expected.TryGetValue(callSid, out var expectation)
            || expectation.Call.StreamTokenHash != tokenHash
            || !_expected.TryRemove(new KeyValuePair<CallSid, Expectation>(callSid, expectation)))
        {
            return null;
        }

        expectation.Settle();
        return expectation;
    }

    private void Drop(Expectation expectation)
    {
        var callSid = expectation.Call.CallSid;
        if (_expected.TryRemove(new KeyValuePair<CallSid, Expectation>(callSid, expectation)))
        {
            LogUnused(callSid);
            expectation.Settle();
            Paperwork(callSid, expectation.AbandonAsync());
        }
    }

    private void Remember(LiveCall live, CallEndReason? reason)
    {
        if (reason is { } ended && _endings.TryAdd(live.Call.CallSid, new CallEnding(ended, live.Language)))
        {
            _endingsOrder.Enqueue(live.Call.CallSid);
            if (_endingsOrder.Count > MostEndingsKept && _endingsOrder.TryDequeue(out var oldest))
            {
                _endings.TryRemove(oldest, out _);
            }
        }
    }

    private void Paperwork(CallSid callSid, Task task)
    {
        _paperwork[task] = callSid;
        _ = task.ContinueWith(
            done =>
            {
                if (done.Exception is { } error)
                {
                    LogPaperworkFailed(callSid, error);
                }

                _paperwork.TryRemove(done, out _);
            },
            CancellationToken.None,
            TaskContinuationOptions.None,
            TaskScheduler.Default);
    }

    private sealed record Draining(TimeSpan Within, long Since)
    {
        /// <summary>No less than a moment for who comes when it is over; for them the process goes on for a while.</summary>
        public TimeSpan Left(TimeProvider time) => new[] { Within - time.GetElapsedTime(Since), Within < Moment ? Within : Moment }.Max();

        private static TimeSpan Moment => TimeSpan.FromSeconds(3);
    }

    private Task[] BeingAnswered()
    {
        lock (_places)
        {
            return [.. _places.Select(place => place.Over)];
        }
    }

    private sealed class Place(Switchboard switchboard, CallSid? callSid) : IDisposable
    {
        private readonly TaskCompletionSource _over = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public CallSid? CallSid { get; } = callSid;

        public Task Over => _over.Task;

        public void Dispose()
        {
            lock (switchboard._places)
            {
                switchboard._places.Remove(this);
            }

            _over.TrySetResult();
        }
    }

    private sealed class Expectation(ExpectedCall call)
    {
        private readonly TaskCompletionSource _over = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public ExpectedCall Call { get; } = call;

        public CancellationTokenSource Abandoned { get; } = new();

        public Task<IVoiceModel>? Model { get; set; }

        public ITimer? Expiry { get; set; }

        public Task Over => _over.Task;

        /// <summary>The stream has come, or will not be waited for any longer.</summary>
        public void Settle()
        {
            Expiry?.Dispose();
            _over.TrySetResult();
        }

        public async Task AbandonAsync()
        {
            await Abandoned.CancelAsync();
            await LiveCall.LetGoAsync(Model);
            Abandoned.Dispose();
        }
    }

    [LoggerMessage(Level = LogLevel.Warning, Message = "Call {CallSid}: the stream {StreamSid} was refused: its token is unknown or used")]
    private partial void LogRefused(CallSid callSid, string streamSid);

    [LoggerMessage(Level = LogLevel.Error, Message = "Call {CallSid}: a stream came, and its token could not be looked up ({Error})")]
    private partial void LogNotAdmitted(CallSid callSid, string error);

    [LoggerMessage(Level = LogLevel.Information, Message = "Call {CallSid}: the stream {StreamSid} is connected")]
    private partial void LogConnected(CallSid callSid, string streamSid);

    [LoggerMessage(Level = LogLevel.Error, Message = "Call {CallSid}: what is left to do behind it is not done, such as facts to be stored, which are in the journal; and this process stops")]
    private partial void LogNotDone(CallSid callSid);

    [LoggerMessage(Level = LogLevel.Error, Message = "Call {CallSid}: what was left to do behind it failed")]
    private partial void LogPaperworkFailed(CallSid callSid, Exception error);

    [LoggerMessage(Level = LogLevel.Information, Message = "Call {CallSid}: the stream {StreamSid} is over: {Reason}")]
    private partial void LogCarried(CallSid callSid, string streamSid, string reason);

    [LoggerMessage(Level = LogLevel.Information, Message = "Call {CallSid}: no stream came; the model that waited for it is let go")]
    private partial void LogUnused(CallSid callSid);
}
