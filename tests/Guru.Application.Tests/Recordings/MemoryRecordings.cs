using Guru.Application.Recordings;
using Guru.Domain.Calls;

namespace Guru.Application.Tests.Recordings;

/// <summary>A store of recordings that can be slow, and can fail.</summary>
internal sealed class MemoryRecordings : IRecordingStore
{
    public List<MemoryPart> Parts { get; } = [];

    /// <summary>Every write waits for it.</summary>
    public TaskCompletionSource? Holds { get; set; }

    /// <summary>A write was waited for no longer.</summary>
    public bool IsGivenUp { get; private set; }

    /// <summary>From then on the disk is full, in bytes.</summary>
    public long Room { get; set; } = long.MaxValue;

    public async Task<IRecordingPart> BeginAsync(RecordedStream stream, CancellationToken cancellationToken)
    {
        var part = new MemoryPart(this, stream);
        Parts.Add(part);
        await WaitAsync(cancellationToken);
        return part;
    }

    public Task<Recording?> OpenAsync(CallSid callSid, CancellationToken cancellationToken) => throw new NotSupportedException();

    private async Task WaitAsync(CancellationToken cancellationToken)
    {
        try
        {
            await (Holds?.Task ?? Task.CompletedTask).WaitAsync(cancellationToken);
        }
        catch (OperationCanceledException)
        {
            IsGivenUp = true;
            throw;
        }
    }

    internal sealed class MemoryPart(MemoryRecordings store, RecordedStream stream) : IRecordingPart
    {
        private readonly MemoryStream _sound = new();

        public RecordedStream Stream { get; } = stream;

        public bool IsComplete { get; private set; }

        public bool IsDisposed { get; private set; }

        public byte[] Sound => _sound.ToArray();

        public async Task WriteAsync(ReadOnlyMemory<byte> sound, CancellationToken cancellationToken)
        {
            await store.WaitAsync(cancellationToken);

            if ((store.Room -= sound.Length) < 0)
            {
                throw new IOException("No space left on device.");
            }

            _sound.Write(sound.Span);
        }

        public Task<long> CompleteAsync(CancellationToken cancellationToken)
        {
            IsComplete = true;
            return Task.FromResult(_sound.Length + 40);
        }

        public ValueTask DisposeAsync()
        {
            IsDisposed = true;
            return ValueTask.CompletedTask;
        }
    }
}
