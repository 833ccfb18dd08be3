using System.Collections.Concurrent;
using Guru.Application.Calls;
using Guru.Application.Conversations;
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
    CallerMemory memory,
    IVoiceModelDialer dialer,
    IOptions<CallRules> rules,
    IOptions<VoiceSettings> voice,
    AgentCatalog agents,
    TimeProvider time,
    ILogger<Switchboard> logger)
{
    private const int MostEndingsKept = 10_000;
    private const int MostWaitsForResume = 4;

    private readonly ConcurrentDictionary<CallSid, Expectation> _expected = new();
    private readonly ConcurrentDictionary<CallSid, LiveCall> _live = new();
    private readonly ConcurrentDictionary<Task, CallSid> _paperwork = new();
    private readonly ConcurrentDictionary<CallSid, CallEnding> _endings = new();
    private readonly ConcurrentQueue<CallSid> _endingsOrder = new();
    private TimeSpan? _draining;

    /// <summary>The name of this process in events.</summary>
    public string Node { get; } = $"{Environment.MachineName}-{Environment.ProcessId}";

    public int ActiveCalls => _live.Count;

    /// <summary>Done when everything about the calls that are over now is stored.</summary>
    public Task PaperworkDone => Task.WhenAll(_live.Values.Select(live => live.Over).Concat(_paperwork.Keys));

    public bool IsDraining => _draining is not null;

    /// <summary>Why no call can be taken now; null when one can.</summary>
    public CallEndReason? Refusal =>
        IsDraining ? CallEndReason.ShuttingDown
        : _live.Count + _expected.Count >= rules.Value.MaxConcurrent ? CallEndReason.AtCapacity
        : null;

    /// <summary>Prepares for a call's Media Stream: a model is dialled now, and dropped if no stream comes.</summary>
    public void Expect(ExpectedCall call)
    {
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
        : _live.TryGetValue(callSid, out var live) && live.EndReason is { } reason ? new CallEnding(reason, live.Call.Language)
        : null;

    /// <summary>Carries a call over a Media Stream until it is over, and disposes the line.</summary>
    /// <param name="token">What the stream presented.</param>
    /// <returns>False if the stream had no right to the call.</returns>
    public async Task<bool> ConnectAsync(ICallerLine line, CallSid callSid, string token, CancellationToken cancellationToken)
    {
        await using var owned = line;
        var connect = new ConnectMediaStream(line.StreamSid, StreamToken.Hash(token), Node, time.GetUtcNow());
        if (await AdmitAsync(callSid, connect, cancellationToken) is not { } live)
        {
            LogRefused(callSid, line.StreamSid);
            await line.CloseAsync(cancellationToken);
            return false;
        }

        if (_live.TryGetValue(callSid, out var before))
        {
            before.Fence(); // Its socket may be half open; the call goes on here.
        }

        _live[callSid] = live;
        CallMeter.Connected();
        CallEndReason? reason = null;
        try
        {
            reason = await CarryAsync(line, live, connect.At);
        }
        finally
        {
            _live.TryRemove(new KeyValuePair<CallSid, LiveCall>(callSid, live));
            CallMeter.Disconnected();
            Remember(live.Call, reason);
            Paperwork(callSid, FinishAsync(live, line.StreamSid, reason));
            LogCarried(callSid, line.StreamSid, reason?.ToString() ?? "stream lost");
        }

        return true;
    }

    /// <summary>The carrier says that the call is over; its stream's socket may not know yet.</summary>
    public void CarrierEnded(CallSid callSid)
    {
        if (_live.TryGetValue(callSid, out var live))
        {
            live.CarrierEnded();
        }
    }

    /// <summary>Takes no new calls, lets live ones go on for the time given, and waits for all of them and their records.</summary>
    public async Task DrainAsync(TimeSpan within, CancellationToken cancellationToken)
    {
        _draining = within;
        foreach (var live in _live.Values)
        {
            live.Drain(within);
        }

        // A stream whose TwiML has been answered may still come, so that the set is looked at again after each wait.
        while (_live.Values.Select(live => live.Over).Concat(_expected.Values.Select(expected => expected.Over)).Concat(_paperwork.Keys).ToArray()
            is { Length: > 0 } waiting)
        {
            await Task.WhenAll(waiting).WaitAsync(cancellationToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            cancellationToken.ThrowIfCancellationRequested();
        }
    }

    private async Task<LiveCall?> AdmitAsync(CallSid callSid, ConnectMediaStream connect, CancellationToken cancellationToken)
    {
        if (TakeExpected(callSid, connect.StreamTokenHash) is { } expectation)
        {
            // Its token is in memory: the caller need not wait for the database, which hears of it behind the audio.
            var live = new LiveCall(expectation.Call, expectation.Model);
            live.Recorder = Recorder(callSid, new CallLog(store, callSid), live);
            live.Recorder.Record(connect);
            return live;
        }

        if (_live.TryGetValue(callSid, out var other) && other.Call.StreamTokenHash == connect.StreamTokenHash)
        {
            return null; // The token is used, though its record may still be on its way.
        }

        try
        {
            using var patience = new CancellationTokenSource(rules.Value.Commit, time);
            using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, patience.Token);
            var log = new CallLog(store, callSid);
            var events = await log.ReadAsync(limit.Token);
            if (await log.AppendAsync(connect, limit.Token) is [])
            {
                return null; // The stream is connected already, perhaps to another node.
            }

            var known = await memory.OfAsync(log.State.CallerId!.Value, entry => entry.CallSid == callSid.Value, limit.Token);
            var live = new LiveCall(ExpectedCall.From(callSid, events, connect.StreamTokenHash, known.Text), model: null);
            live.Recorder = Recorder(callSid, log, live);
            return live;
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

    private async Task<CallEndReason?> CarryAsync(ICallerLine line, LiveCall live, DateTimeOffset connectedAt)
    {
        var call = live.Call;
        var configuration = Configuration(call);
        var zero = call.Earlier?.Zero ?? connectedAt;
        var session = new CallSession(
            new CallSessionStart(
                zero,
                configuration.Agent,
                configuration.Model,
                configuration.Transcription.Model,
                configuration.TurnDetection.SilenceDurationMs,
                CallPrompts.Greeting(agents[call.Agent].GreetingHint, known: call.Memory is not null),
                Resumed: call.Earlier is not null,
                call.Earlier?.SoFar ?? [],
                call.Memory),
            rules.Value);
        await using var bridge = new CallBridge(
            call.CallSid, line, session, live.Recorder!, zero, token => live.TakeModel() ?? DialAsync(call, token), rules.Value, time, logger);
        live.Attach(bridge);
        if (_draining is { } within)
        {
            live.Drain(within);
        }

        return await bridge.RunAsync();
    }

    /// <summary>What is left to do when the line is gone: the record, and the end of a call that nobody continues.</summary>
    private async Task FinishAsync(LiveCall live, string streamSid, CallEndReason? reason)
    {
        var callSid = live.Call.CallSid;
        var recorder = live.Recorder!;
        for (var waits = 0; reason is null && !recorder.HasEnded && !live.IsFenced && waits < MostWaitsForResume && !_live.ContainsKey(callSid); waits++)
        {
            await Task.Delay(Call.ResumeWindow, time);
            recorder.Record(new EndCall(CallEndReason.StreamLost, time.GetUtcNow(), streamSid));
            await recorder.FlushAsync(Call.ResumeWindow);
        }

        recorder.Complete();
        await recorder.Completion;
        await live.DisposeAsync();
    }

    private Task<IVoiceModel> DialAsync(ExpectedCall call, CancellationToken cancellationToken) =>
        dialer.DialAsync(Configuration(call), call.CallerId.Value, cancellationToken);

    private VoiceConfiguration Configuration(ExpectedCall call) => voice.Value.For(agents, call.Agent, call.Language);

    private CallRecorder Recorder(CallSid callSid, CallLog log, LiveCall live) => new(
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

    private void Remember(ExpectedCall call, CallEndReason? reason)
    {
        if (reason is { } ended && _endings.TryAdd(call.CallSid, new CallEnding(ended, call.Language)))
        {
            _endingsOrder.Enqueue(call.CallSid);
            if (_endingsOrder.Count > MostEndingsKept && _endingsOrder.TryDequeue(out var oldest))
            {
                _endings.TryRemove(oldest, out _);
            }
        }
    }

    private void Paperwork(CallSid callSid, Task task)
    {
        _paperwork[task] = callSid;
        _ = task.ContinueWith(done => _paperwork.TryRemove(done, out _), CancellationToken.None, TaskContinuationOptions.None, TaskScheduler.Default);
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

    [LoggerMessage(Level = LogLevel.Information, Message = "Call {CallSid}: the stream {StreamSid} is over: {Reason}")]
    private partial void LogCarried(CallSid callSid, string streamSid, string reason);

    [LoggerMessage(Level = LogLevel.Information, Message = "Call {CallSid}: no stream came; the model that waited for it is let go")]
    private partial void LogUnused(CallSid callSid);
}
