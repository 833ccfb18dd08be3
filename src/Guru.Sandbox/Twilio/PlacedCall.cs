using System.Diagnostics;
using Guru.Sandbox.Audio;
using Guru.Sandbox.Timing;

namespace Guru.Sandbox.Twilio;

/// <param name="Direction">inbound or outbound-api.</param>
/// <param name="VoiceUrl">Where TwiML is asked for; null when <paramref name="Twiml"/> is given.</param>
/// <param name="StatusEvents">initiated, ringing, answered, completed.</param>
sealed record CallSetup(
    string Direction, string From, string To, Uri? VoiceUrl, string? Twiml, Uri? StatusUrl, IReadOnlyCollection<string> StatusEvents)
{
    public Uri? FallbackUrl { get; init; }

    public HttpMethod StatusMethod { get; init; } = HttpMethod.Post;
}

/// <summary>One call on the sandbox's line, from the first ring to the last callback.</summary>
public sealed partial class PlacedCall : IPaced, IDisposable
{
    readonly Lock _gate = new();
    readonly TwilioStandIn _twilio;
    readonly CallOptions _options;
    readonly CallSetup _setup;
    readonly PlaybackBuffer _playback = new();
    readonly CallerScript _caller;
    readonly List<(TimeSpan Heard, TaskCompletionSource Reached)> _waiting = [];
    readonly CancellationTokenSource _over = new();
    readonly TimeSpan _startedAt;
    readonly TaskCompletionSource<CancellationToken> _begun = new(TaskCreationOptions.RunContinuationsAsynchronously);
    CancellationTokenSource _verbs;
    MediaStream? _stream;
    string? _nextTwiml;
    Uri? _nextUrl;
    int _turnsBegun;
    int _turnsEnded;
    int _spoken;
    bool _hungUpByCaller;
    bool _ended;

    internal PlacedCall(TwilioStandIn twilio, CallOptions options, CallSetup setup)
    {
        (_twilio, _options, _setup) = (twilio, options, setup);
        _verbs = CancellationTokenSource.CreateLinkedTokenSource(_over.Token);
        CallSid = options.CallSid ?? TwilioIds.New("CA");
        _caller = new CallerScript(options.Script);
        _startedAt = twilio.Pacer.Now;
        CreatedAt = twilio.Clock.GetUtcNow();
        Completion = RunWhenBegunAsync();
    }

    public string CallSid { get; }

    public DateTimeOffset CreatedAt { get; }

    public DateTimeOffset? AnsweredAt { get; private set; }

    public DateTimeOffset? EndedAt { get; private set; }

    public string Direction => _setup.Direction;

    public string From => _setup.From;

    public string To => _setup.To;

    /// <summary>queued, ringing, in-progress, and the ways a call can end.</summary>
    public string Status { get; private set; } = "queued";

    public Journal<LineEvent> Events { get; } = new();

    /// <summary>Completes after the last callback, and not before the call has begun.</summary>
    public Task Completion { get; }

    /// <summary>Since the call began.</summary>
    public TimeSpan Now => _twilio.Pacer.Now - _startedAt;

    /// <summary>What the caller said, with times since the call began.</summary>
    public IReadOnlyList<Spoken> CallerSaid
    {
        get
        {
            lock (_gate)
            {
                return [.. _caller.Said];
            }
        }
    }

    /// <summary>The truth of what was sent to the caller and what was heard, with times since the call began.</summary>
    public IReadOnlyList<HeardLine> Heard
    {
        get
        {
            lock (_gate)
            {
                _playback.Advance(Now);
                return PlaybackTruth.Lines(_playback);
            }
        }
    }

    /// <summary>First media of the agent, counted from the first stream.</summary>
    public TimeSpan? FirstAudio => Events.Of<StreamOpened>() is [var first, ..] && Events.Of<AgentTurnBegan>() is [var began, ..]
        ? began.At - first.At : null;

    TimeSpan? IPaced.NextDue
    {
        get
        {
            lock (_gate)
            {
                return _stream?.NextDue + _startedAt;
            }
        }
    }

    /// <summary>Reads the state of the playback between two of its steps.</summary>
    public TResult Read<TResult>(Func<PlaybackBuffer, TResult> read)
    {
        lock (_gate)
        {
            _playback.Advance(Now);
            return read(_playback);
        }
    }

    /// <summary>Audio of the agent that came when its line had ended: sent, and heard by nobody.</summary>
    public long LateBytes { get; private set; }

    /// <summary>When the caller has heard so much of the agent, over all turns.</summary>
    public async Task WaitForPlayedAsync(TimeSpan heard, TimeSpan? atMost = null, CancellationToken cancellationToken = default)
    {
        var reached = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        lock (_gate)
        {
            _waiting.Add((heard, reached));
        }

        await reached.Task.WaitAsync(atMost ?? TimeSpan.FromSeconds(30), cancellationToken);
    }

    /// <summary>When a mark comes back; any, unless named.</summary>
    public Task<MarkReturned> WaitForMarkAsync(string? name = null, TimeSpan? atMost = null,
        CancellationToken cancellationToken = default) =>
        Events.WaitAsync<MarkReturned>(mark => name is null || mark.Name == name, atMost, cancellationToken);

    /// <summary>When a turn of the agent is over; number from 1.</summary>
    public Task<AgentTurnEnded> WaitForAgentTurnAsync(int number, TimeSpan? atMost = null, CancellationToken cancellationToken = default) =>
        Events.WaitAsync<AgentTurnEnded>(turn => turn.Number == number, atMost, cancellationToken);

    /// <summary>The caller hangs up now.</summary>
    public void HangUp()
    {
        _hungUpByCaller = true;
        EndCall();
    }

    /// <summary>Both sides as they were: the caller left, what was played to them right; 16-bit PCM at 8 kHz.</summary>
    public byte[] ToWav()
    {
        lock (_gate)
        {
            _playback.Advance(Now);
            var end = _caller.Said.Select(spoken => spoken.EndsAt).Concat(_playback.Played.Select(span => span.EndsAt))
                .Concat(Events.Of<FilePlayed>().Select(file => file.At + MuLaw.Duration(file.Audio.Length)))
                .DefaultIfEmpty().Max();
            var (left, right) = (Silence(end), Silence(end));
            foreach (var spoken in _caller.Said)
            {
                Lay(spoken.Audio.Span, spoken.At, left);
            }

            foreach (var span in _playback.Played)
            {
                Lay(_playback.Received[(int)span.From..(int)span.To], span.At, right);
            }

            foreach (var file in Events.Of<FilePlayed>())
            {
                Lay(file.Audio.Span, file.At, right);
            }

            return Wav.Stereo(left, right);
        }

        static byte[] Silence(TimeSpan length)
        {
            var silence = new byte[MuLaw.Bytes(length)];
            Array.Fill(silence, MuLaw.Silence);
            return silence;
        }

        static void Lay(ReadOnlySpan<byte> audio, TimeSpan at, byte[] track)
        {
            var from = (int)Math.Min(MuLaw.Bytes(at), track.Length);
            audio[..Math.Min(audio.Length, track.Length - from)].CopyTo(track.AsSpan(from));
        }
    }

    public void Dispose()
    {
        EndCall();
        _over.Dispose();
        _verbs.Dispose();
    }

    public override string ToString() => $"{CallSid} {Direction} {Status}";

    internal void Begin(CancellationToken stopping) => _begun.SetResult(stopping);

    /// <summary>The call is over, by REST or for another reason. False when it was already.</summary>
    internal bool EndCall()
    {
        lock (_gate)
        {
            if (_ended)
            {
                return false;
            }

            _ended = true;
        }

        // Outside the lock: whoever waits for these goes on at once.
        _over.Cancel();
        return true;
    }

    /// <summary>By REST: other TwiML from here on.</summary>
    internal bool Replace(string? twiml, Uri? url)
    {
        CancellationTokenSource verbs;
        lock (_gate)
        {
            if (_ended)
            {
                return false;
            }

            (_nextTwiml, _nextUrl, verbs) = (twiml, url, _verbs);
        }

        verbs.Cancel();
        return true;
    }

    void IPaced.Advance(TimeSpan now)
    {
        lock (_gate)
        {
            if (_stream is { } stream)
            {
                stream.Advance(now - _startedAt);
                Drain(stream);
            }
        }
    }

    async Task RunWhenBegunAsync() => await RunAsync(await _begun.Task.ConfigureAwait(false));

    async Task RunAsync(CancellationToken stopping)
    {
        using var limit = stopping.Register(() => EndCall());
        using var atMost = new Timer(_ => HangUp(), null, _options.AtMost, Timeout.InfiniteTimeSpan);
        var status = "failed";
        try
        {
            status = await AnswerAndRunAsync();
        }
        catch (OperationCanceledException) when (_over.IsCancellationRequested)
        {
            status = AnsweredAt is null ? "canceled" : "completed";
        }
        finally
        {
            EndCall();
            EndedAt = _twilio.Clock.GetUtcNow();
            Status = status;
            Events.Add(new CallOver(Now, status, _hungUpByCaller));
            await SendFinalStatusAsync(status);
        }
    }

    async Task<string> AnswerAndRunAsync()
    {
        Status = "ringing";
        var early = Task.CompletedTask;
        if (_setup.Direction != "inbound")
        {
            await SendStatusAsync("initiated", "initiated");
            await SendStatusAsync("ringing", "ringing");
            if (_options.Outcome != CallOutcome.Connects)
            {
                return OutcomeStatus();
            }

            await AnswerAsync();
        }
        else if (_options.Webhooks.EarlyStatus)
        {
            early = PostStatusAsync("ringing");
            await (_options.Webhooks.Seed is null ? early : Task.CompletedTask);
        }

        var document = _setup.Twiml is { } twiml ? Parse(twiml, _setup.VoiceUrl) : await FetchFirstAsync();
        await early;
        if (_options.Outcome != CallOutcome.Connects && _setup.Direction == "inbound")
        {
            // The caller gave up while it rang; Twilio had asked for TwiML all the same.
            return OutcomeStatus();
        }

        if (document is null)
        {
            return "failed";
        }

        return await ExecuteAsync(document) ?? (AnsweredAt is null ? "no-answer" : "completed");
    }

    async Task AnswerAsync()
    {
        if (AnsweredAt is null)
        {
            AnsweredAt = _twilio.Clock.GetUtcNow();
            Status = "in-progress";
            Events.Add(new CallAnswered(Now));
            _twilio.Messaging.Window.Open(Direction == "inbound" ? From : To);
            await SendStatusAsync("answered", "in-progress");
        }
    }

    string OutcomeStatus() => _options.Outcome switch
    {
        CallOutcome.Busy => "busy",
        CallOutcome.NoAnswer => "no-answer",
        CallOutcome.Canceled => "canceled",
        CallOutcome.Failed => "failed",
        _ => throw new UnreachableException(),
    };

    /// <summary>Tells the journal and the waiting what the caller has newly said and heard.</summary>
    void Notice()
    {
        for (; _spoken < _caller.Said.Count; _spoken++)
        {
            Events.Add(new CallerSpoke(_caller.Said[_spoken].At, _caller.Said[_spoken].SampleId));
        }

        for (; _turnsBegun < _playback.Turns.Count; _turnsBegun++)
        {
            Events.Add(new AgentTurnBegan(_playback.Turns[_turnsBegun].StartedAt, _turnsBegun + 1));
        }

        while (_turnsEnded < _playback.Turns.Count && _playback.Turns[_turnsEnded] is { EndedAt: { } endedAt } turn
            && (_playback.IsOver(turn) || _stream is null))
        {
            Events.Add(new AgentTurnEnded(endedAt, turn.Number, turn.Cleared));
            _turnsEnded++;
        }

        if (_waiting.Count > 0)
        {
            var heard = MuLaw.Duration(_playback.PlayedBytes);
            foreach (var (_, reached) in _waiting.Where(waiting => waiting.Heard <= heard))
            {
                reached.TrySetResult();
            }

            _waiting.RemoveAll(waiting => waiting.Heard <= heard);
        }
    }
}
