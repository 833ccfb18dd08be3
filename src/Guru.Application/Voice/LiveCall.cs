namespace Guru.Application.Voice;

/// <summary>A call on the line of this process.</summary>
/// <param name="model">A session dialled before the stream came.</param>
internal sealed class LiveCall(ExpectedCall call, Task<IVoiceModel>? model) : IAsyncDisposable
{
    private readonly TaskCompletionSource _over = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private Task<IVoiceModel>? _model = model;
    private volatile CallBridge? _bridge;
    private volatile bool _fenced;
    private volatile bool _carrierEnded;
    private volatile bool _stopped;

    public ExpectedCall Call { get; } = call;

    public CallRecorder? Recorder { get; set; }

    /// <summary>Null where the call is not recorded.</summary>
    public Recordings.CallRecording? Recording { get; set; }

    public Task Over => _over.Task;

    /// <summary>Why Guru ended the call; null while it goes on, or when somebody else ended it.</summary>
    public Domain.Calls.CallEndReason? EndReason => _bridge?.EndReason;

    /// <summary>ISO 639-1: what the caller turned out to speak, or was known to.</summary>
    public string? Language => Recorder?.Language ?? Call.Language;

    /// <summary>Another stream carries the call.</summary>
    public bool IsFenced => _fenced;

    public void Attach(CallBridge bridge)
    {
        _bridge = bridge;
        if (_fenced)
        {
            bridge.Fence();
        }

        if (_carrierEnded)
        {
            bridge.CarrierEnded();
        }

        if (_stopped)
        {
            bridge.Stop();
        }
    }

    public void Fence()
    {
        _fenced = true;
        _bridge?.Fence();
    }

    public void CarrierEnded()
    {
        _carrierEnded = true;
        _bridge?.CarrierEnded();
    }

    public void Stop()
    {
        _stopped = true;
        _bridge?.Stop();
    }

    public void HearLate(HeardTurn turn) => _bridge?.HearLate(turn);

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

    private Task<IVoiceModel>? TakeModel() => Interlocked.Exchange(ref _model, value: null);

    public async ValueTask DisposeAsync()
    {
        await LetGoAsync(TakeModel());
        if (Recording is not null)
        {
            await Recording.DisposeAsync();
        }

        _over.TrySetResult();
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
