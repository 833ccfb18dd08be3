namespace Guru.Application.Voice;

/// <summary>A call on the line of this process.</summary>
/// <param name="model">A session dialled before the stream came.</param>
internal sealed class LiveCall(ExpectedCall call, Task<IVoiceModel>? model) : IAsyncDisposable
{
    private readonly TaskCompletionSource _over = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private Task<IVoiceModel>? _model = model;
    private volatile CallBridge? _bridge;
    private volatile bool _fenced;

    public ExpectedCall Call { get; } = call;

    public CallRecorder? Recorder { get; set; }

    public Task Over => _over.Task;

    /// <summary>Why Guru ended the call; null while it goes on, or when somebody else ended it.</summary>
    public Domain.Calls.CallEndReason? EndReason => _bridge?.EndReason;

    /// <summary>Another stream carries the call.</summary>
    public bool IsFenced => _fenced;

    public void Attach(CallBridge bridge)
    {
        _bridge = bridge;
        if (_fenced)
        {
            bridge.Fence();
        }
    }

    public void Fence()
    {
        _fenced = true;
        _bridge?.Fence();
    }

    public void CarrierEnded() => _bridge?.CarrierEnded();

    public void Drain(TimeSpan within) => _bridge?.Drain(within);

    /// <summary>The session dialled before, once.</summary>
    public Task<IVoiceModel>? TakeModel() => Interlocked.Exchange(ref _model, value: null);

    public async ValueTask DisposeAsync()
    {
        await LetGoAsync(TakeModel());
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
