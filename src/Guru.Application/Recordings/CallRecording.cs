using System.Buffers;
using System.Buffers.Text;
using System.Threading.Channels;
using Guru.Application.Voice;
using Guru.Domain.Calls;
using Microsoft.Extensions.Logging;

namespace Guru.Application.Recordings;

/// <summary>
/// Records one Media Stream behind the conversation. Whatever passes on the line is noted in a bounded queue, without a wait; one loop lays it out
/// and stores it. A store that is too slow, full or away costs the recording, and never the call.
/// </summary>
public sealed partial class CallRecording : IAsyncDisposable
{
    /// <summary>Of audio in base64 that may wait for the store: three minutes of both sides.</summary>
    private const int MostWaiting = 4_000_000;

    /// <summary>What a note costs besides its audio.</summary>
    private const int NoteBytes = 64;

    /// <summary>What is handed over at once, half a second: to wake a thread for each frame would cost more than all that is done with it.</summary>
    private const int BatchNotes = 64;

    /// <summary>What is written at once: a second.</summary>
    private const int Slice = 16_000;

    private static readonly TimeSpan LastWrites = TimeSpan.FromSeconds(10);

    private readonly Channel<ArraySegment<Note>> _batches = Channel.CreateUnbounded<ArraySegment<Note>>(new UnboundedChannelOptions { SingleReader = true });
    private readonly Lock _gate = new();
    private readonly IRecordingStore _store;
    private readonly RecordedStream _stream;
    private readonly string _node;
    private readonly TimeProvider _time;
    private readonly ILogger _logger;
    private readonly CancellationTokenSource _abandoned = new();
    private readonly Task<RecordingStored?> _stored;
    private readonly long _started;
    private readonly TimeSpan _startedAt;
    private Note[] _batch = ArrayPool<Note>.Shared.Rent(BatchNotes);
    private int _batched;
    private int _waiting;
    private volatile bool _closed;

    /// <param name="now">What the call's clock shows.</param>
    public CallRecording(IRecordingStore store, RecordedStream stream, string node, TimeSpan now, TimeProvider time, ILogger logger)
    {
        (_store, _stream, _node, _startedAt, _time, _logger) = (store, stream, node, now, time, logger);
        _started = time.GetTimestamp();
        _stored = Task.Run(StoreAsync);
    }

    private TimeSpan Now => _startedAt + _time.GetElapsedTime(_started);

    // --- on the audio path ---

    public void Said(ReadOnlySpan<byte> payload, long timestampMs) => Take(NoteKind.Said, payload, timestampMs);

    public void Sends(ReadOnlySpan<byte> payload) => Take(NoteKind.Sends, payload);

    public void Marks(PlaybackMark mark) => Take(NoteKind.Marks, mark: mark);

    public void Returns(PlaybackMark mark) => Take(NoteKind.Returns, mark: mark);

    public void Clears() => Take(NoteKind.Clears);

    /// <summary>Nothing more is heard on the line.</summary>
    public void End()
    {
        Take(NoteKind.Ends);
        Close();
    }

    /// <summary>Waits until the recording is stored; for a while.</summary>
    /// <returns>Null if there is none.</returns>
    public async Task<RecordingStored?> CompleteAsync()
    {
        End();
        await ((Task)_stored).WaitAsync(LastWrites, _time, CancellationToken.None).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        if (!_stored.IsCompleted)
        {
            LogSlow(_stream.CallSid, _stream.StreamSid);
            await _abandoned.CancelAsync();
        }

        return _stored.IsCompletedSuccessfully ? await _stored : null;
    }

    public async ValueTask DisposeAsync()
    {
        End();
        await _abandoned.CancelAsync();
    }

    private void Take(NoteKind kind, ReadOnlySpan<byte> payload = default, long timestampMs = -1, PlaybackMark mark = default)
    {
        if (_closed)
        {
            return;
        }

        if (Interlocked.Add(ref _waiting, NoteBytes + payload.Length) > MostWaiting)
        {
            Close();
            _ = _abandoned.CancelAsync(); // What is cancelled is told of it elsewhere: this is the audio path.
            LogSlow(_stream.CallSid, _stream.StreamSid);
            return;
        }

        var kept = payload.IsEmpty ? [] : ArrayPool<byte>.Shared.Rent(payload.Length);
        payload.CopyTo(kept);
        lock (_gate)
        {
            if (_closed)
            {
                return;
            }

            _batch[_batched++] = new Note(kind, Now, kept, payload.Length, timestampMs, mark);
            if (_batched == BatchNotes)
            {
                HandOver();
            }
        }
    }

    private void HandOver()
    {
        _batches.Writer.TryWrite(new ArraySegment<Note>(_batch, 0, _batched));
        (_batch, _batched) = (ArrayPool<Note>.Shared.Rent(BatchNotes), 0);
    }

    private void Close()
    {
        lock (_gate)
        {
            if (!_closed)
            {
                HandOver();
                _closed = true;
                _batches.Writer.TryComplete();
            }
        }
    }

    // --- behind it ---

    private async Task<RecordingStored?> StoreAsync()
    {
        try
        {
            await using var part = await _store.BeginAsync(_stream, _abandoned.Token);
            var mix = new RecordingMix(TimeSpan.FromMilliseconds(_stream.StartMs));
            var sound = new ArrayBufferWriter<byte>(2 * Slice);
            var length = 0L;
            await foreach (var batch in _batches.Reader.ReadAllAsync(_abandoned.Token))
            {
                foreach (var note in batch)
                {
                    Lay(note, mix, sound);
                }

                ArrayPool<Note>.Shared.Return(batch.Array!, clearArray: true);
                if (sound.WrittenCount >= Slice)
                {
                    length += await WriteAsync(part, sound, sound.WrittenCount - (sound.WrittenCount % Slice));
                }
            }

            length += await WriteAsync(part, sound, sound.WrittenCount);
            var bytes = await part.CompleteAsync(_abandoned.Token);
            return new RecordingStored(_stream.StreamSid, _stream.StartMs, AudioLength.ToMs(length / 2), bytes, _node, _time.GetUtcNow());
        }
        catch (OperationCanceledException) when (_abandoned.IsCancellationRequested)
        {
            return null; // Told where it was abandoned.
        }
        catch (Exception error)
        {
            LogLost(_stream.CallSid, _stream.StreamSid, error);
            return null;
        }
        finally
        {
            Close();
            while (_batches.Reader.TryRead(out var batch))
            {
                foreach (var note in batch)
                {
                    Return(note);
                }
            }
        }
    }

    private void Lay(in Note note, RecordingMix mix, IBufferWriter<byte> sound)
    {
        mix.Settle(note.At, sound);
        switch (note.Kind)
        {
            case NoteKind.Said:
                mix.Said(Decode(note), note.TimestampMs, note.At);
                break;
            case NoteKind.Sends:
                mix.Sends(Decode(note), note.At);
                break;
            case NoteKind.Marks:
                mix.Marks(note.Mark);
                break;
            case NoteKind.Returns:
                mix.Returns(note.Mark, note.At);
                break;
            case NoteKind.Clears:
                mix.Clears(note.At);
                break;
            case NoteKind.Ends:
                mix.End(note.At, sound);
                break;
        }

        Return(note);
    }

    private static ReadOnlySpan<byte> Decode(in Note note) =>
        Base64.DecodeFromUtf8InPlace(note.Payload.AsSpan(0, note.Length), out var bytes) == OperationStatus.Done ? note.Payload.AsSpan(0, bytes) : [];

    private void Return(in Note note)
    {
        Interlocked.Add(ref _waiting, -NoteBytes - note.Length);
        if (note.Payload.Length > 0)
        {
            ArrayPool<byte>.Shared.Return(note.Payload);
        }
    }

    private async Task<int> WriteAsync(IRecordingPart part, ArrayBufferWriter<byte> sound, int bytes)
    {
        for (var at = 0; at < bytes; at += Slice)
        {
            await part.WriteAsync(sound.WrittenMemory[at..Math.Min(bytes, at + Slice)], _abandoned.Token);
        }

        var rest = sound.WrittenSpan[bytes..].ToArray();
        sound.ResetWrittenCount();
        sound.Write(rest);
        return bytes;
    }

    private enum NoteKind
    {
        Said,
        Sends,
        Marks,
        Returns,
        Clears,
        Ends,
    }

    private readonly record struct Note(NoteKind Kind, TimeSpan At, byte[] Payload, int Length, long TimestampMs, PlaybackMark Mark);

    [LoggerMessage(Level = LogLevel.Error, Message = "Call {CallSid}: the recording of stream {StreamSid} is dropped: the store is too slow")]
    private partial void LogSlow(CallSid callSid, string streamSid);

    [LoggerMessage(Level = LogLevel.Error, Message = "Call {CallSid}: the recording of stream {StreamSid} is dropped: it could not be stored")]
    private partial void LogLost(CallSid callSid, string streamSid, Exception error);
}
