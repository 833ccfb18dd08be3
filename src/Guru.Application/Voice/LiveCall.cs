namespace Guru.Application.Voice;

/// <summary>A call on the line of this process.</summary>
/// <param name="model">A session dialled before the stream came.</param>
internal sealed class LiveCall(ExpectedCall call, Task<IVoiceModel>? model) : IAsyncDisposable
{
    private readonly TaskCompletionSource _over = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly TaskCompletionSource _asked = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly Lock _gate = new();
    private readonly List<Action<CallBridge>> _pending = []; // What the bridge is to be told when it is there.
    private readonly HashSet<HeardTurn> _heard = [.. call.Earlier?.SoFar ?? []];
    private Task<IVoiceModel>? _model = model;
    private LiveCall? _next;
    private volatile CallBridge? _bridge;
    private volatile bool _fenced;

    public ExpectedCall Call { get; } = call;

    public CallRecorder? Recorder { get; set; }

    /// <summary>Null where the call is not recorded.</summary>
    public Recordings.CallRecording? Recording { get; set; }

    public Task Over => _over.Task;

    /// <summary>The carrier is done with the stream: it has asked what is next, or has said that nothing is.</summary>
    public Task Asked => _asked.Task;

    /// <summary>Why Guru ended the call; null while it goes on, or when somebody else ended it.</summary>
    public Domain.Calls.CallEndReason? EndReason => _bridge?.EndReason;

    /// <summary>ISO 639-1: what the caller turned out to speak, or was known to.</summary>
    public string? Language => Recorder?.Language ?? Call.Language;

    /// <summary>Another stream carries the call.</summary>
    public bool IsFenced => _fenced;

    public void Attach(CallBridge bridge)
    {
        while (!TryAttach(bridge, out var pending))
        {
            pending.ForEach(tell => tell(bridge));
        }
    }

    public void Fence()
    {
        _fenced = true;
        Tell(bridge => bridge.Fence());
    }

    public void CarrierEnded() => Tell(bridge => bridge.CarrierEnded());

    public void CarrierAsked() => _asked.TrySetResult();

    public void Stop() => Tell(bridge => bridge.Stop());

    /// <summary>Keeps what was heard on this line, for the stream that goes on with the call, be it there already or not.</summary>
    /// <returns>False if it is known.</returns>
    public bool Hear(HeardTurn turn)
    {
        LiveCall? next;
        lock (_gate)
        {
            if (!_heard.Add(turn))
            {
                return false;
            }

            next = _next;
        }

        next?.HearLate(turn);
        return true;
    }

    /// <summary>Another stream of this process takes the call over: it is told what was heard, also what the record does not have yet.</summary>
    public void GoOnOver(LiveCall next)
    {
        HeardTurn[] heard;
        lock (_gate)
        {
            (_next, heard) = (next, [.. _heard]);
        }

        Array.ForEach(heard, next.HearLate);
        Fence(); // This one's socket may be half open.
    }

    public void KeepUnfinished() => _bridge?.KeepUnfinished();

    public void Drain(TimeSpan within) => _bridge?.Drain(within);

    /// <summary>The session dialled before, once; after that, new ones.</summary>
    public async Task<IVoiceModel> DialAsync(Func<CancellationToken, Task<IVoiceModel>> dial, CancellationToken cancellationToken)
    {
        if (TakeModel() is not { } early)
        {
            return await dial(cancellationToken);
        }

        try
        {
            return await early.WaitAsync(cancellationToken);
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            _model = early; // To be let go when it is there: the line does not wait for it.
            throw;
        }
    }

    private void HearLate(HeardTurn turn)
    {
        if (Hear(turn))
        {
            Tell(bridge => bridge.HearLate(turn));
        }
    }

    private void Tell(Action<CallBridge> tell)
    {
        lock (_gate)
        {
            if (_bridge is null)
            {
                _pending.Add(tell);
                return;
            }
        }

        tell(_bridge);
    }

    /// <returns>False where it is first to be told what came before it.</returns>
    private bool TryAttach(CallBridge bridge, out List<Action<CallBridge>> pending)
    {
        lock (_gate)
        {
            pending = [.. _pending];
            _pending.Clear();
            _bridge = pending.Count == 0 ? bridge : null;
            return _bridge is not null;
        }
    }

    private Task<IVoiceModel>? TakeModel() => Interlocked.Exchange(ref _model, value: null);

    /// <summary>Closes the session dialled before, where the line did not wait for it.</summary>
    public Task LetGoOfModelAsync() => LetGoAsync(TakeModel());

    public async ValueTask DisposeAsync()
    {
        try
        {
            if (Recording is not null)
            {
                await Recording.DisposeAsync();
            }
        }
        finally
        {
            _over.TrySetResult();
        }
    }

    /// <summary>Closes a session that nobody will use.</summary>
    internal static async Task LetGoAsync(Task<IVoiceModel>? dialing)
    {
        if (dialing is null)
        {
            return;
        }

        await ((Task)dialing).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        if (dialing.IsCompletedSuccessfully)
        {
            await (await dialing).DisposeAsync();
        }
    }
}
