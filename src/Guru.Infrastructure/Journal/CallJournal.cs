using System.Diagnostics.Metrics;
using System.Threading.Channels;
using Guru.Application;
using Guru.Application.Calls;
using Guru.Application.Privacy;
using Guru.Application.Voice;
using Guru.Domain.Calls;
using Microsoft.Extensions.Logging;

namespace Guru.Infrastructure.Journal;

/// <summary>
/// The journal as files in the data directory, written by one loop: nobody who keeps a fact waits for the disk. A file whose facts are all
/// stored is emptied, so that in good times there is next to nothing in it.
/// </summary>
internal sealed partial class CallJournal : ICallJournal, IPersonalStore, IAsyncDisposable
{
    private const string Facts = ".facts";
    private const string Refused = ".refused";

    /// <summary>Apart from the facts, so that one that waits keeps none of these on the disk.</summary>
    private const string Unfinished = ".unfinished";

    private static readonly Counter<int> Unkept = new Meter(CallMeter.Name).CreateCounter<int>(
        "guru.journal.unkept", "{fact}", "What the journal could not keep; it is in memory alone until it is stored.");

    private readonly Lock _gate = new();
    private readonly JournalFolder _folder;
    private readonly JournalOptions _options;
    private readonly ILogger _logger;
    private readonly Channel<Action> _work = Channel.CreateUnbounded<Action>(new UnboundedChannelOptions { SingleReader = true });
    private readonly List<Segment> _segments = [];

    /// <summary>What other processes left, as long as it is being stored.</summary>
    private readonly List<JournalFile> _takenOver = [];

    /// <summary>What is unfinished, by call, until it is written.</summary>
    private readonly Dictionary<CallSid, IReadOnlyList<CallCommand>> _latest = [];

    /// <summary>Where what is unfinished of a call stands.</summary>
    private readonly Dictionary<CallSid, Segment> _unfinished = [];
    private readonly Guid _process = Guid.CreateVersion7();
    private readonly Task _writing;
    private int _files;
    private int _setAside;
    private bool _failing;

    public CallJournal(string dataDirectory, ServerSecret secret, JournalOptions options, ILogger<CallJournal> logger)
    {
        _folder = new JournalFolder(dataDirectory, secret, "guru journal", [Facts, Refused, Unfinished], logger);
        (_options, _logger) = (options, logger);
        _writing = Task.Run(WriteAsync);
    }

    string IPersonalStore.Name => "journal";

    public IReadOnlyList<string> Unread => _folder.Unread;

    public int SetAside => Volatile.Read(ref _setAside);

    public IKeptFact Keep(CallSid callSid, CallCommand fact)
    {
        var kept = new KeptFact(this, new JournaledFact(callSid, fact));
        _work.Writer.TryWrite(kept.Write);
        return kept;
    }

    public void KeepUnfinished(CallSid callSid, IReadOnlyList<CallCommand> facts)
    {
        lock (_latest)
        {
            var isWaitedFor = _latest.ContainsKey(callSid);
            _latest[callSid] = facts;
            if (isWaitedFor)
            {
                return; // The disk is slow, and what was to be written before is superseded.
            }
        }

        _work.Writer.TryWrite(() => WriteUnfinished(callSid));
    }

    public IReadOnlyList<ILeftJournal> TakeOver()
    {
        lock (_gate)
        {
            var left = _folder.Look().Where(path => Held(path) is null).GroupBy(path => Path.GetFileName(path).Split('-')[0], StringComparer.Ordinal).SelectMany(TakeOver);
            return [.. left.OrderBy(journal => IsUnfinished(journal.Path)).ThenBy(journal => journal.Path, StringComparer.Ordinal)]; // What later ones have superseded goes first.
        }
    }

    /// <summary>
    /// All that one process left, or nothing yet. Without what cannot be had now, an utterance might go on record as far as it had come, and the whole of it would change nothing then.
    /// </summary>
    private List<LeftJournal> TakeOver(IEnumerable<string> paths)
    {
        var (left, told) = (new List<LeftJournal>(), new HashSet<CallSid>());
        foreach (var path in paths.Reverse())
        {
            void Take(JournalFile file, IReadOnlyList<byte[]> records) =>
                left.Add(new LeftJournal(this, file, IsUnfinished(path) ? Latest(records, told) : records.Select(record => JournaledFact.Parse(record))));

            if (!_folder.TryTakeOver(path, Take))
            {
                left.ForEach(journal => journal.Dispose());
                return [];
            }
        }

        return left;
    }

    public async Task EraseAsync(Erasure erasure, IReadOnlyCollection<string> callSids, CancellationToken cancellationToken)
    {
        var erased = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        _work.Writer.TryWrite(() =>
        {
            try
            {
                Erase(callSids);
                erased.TrySetResult();
            }
            catch (Exception error)
            {
                erased.TrySetException(error);
            }
        });
        await erased.Task.WaitAsync(cancellationToken);
    }

    /// <summary>What is not stored by now stays for the next start.</summary>
    public async ValueTask DisposeAsync()
    {
        _work.Writer.TryComplete();
        await _writing;
        lock (_gate)
        {
            var isDone = !_segments.Exists(segment => segment is { Extension: Unfinished, IsDone: false });
            foreach (var segment in _segments)
            {
                if (segment.Extension == Unfinished ? isDone : segment.IsDone)
                {
                    segment.File.Delete();
                }
                else
                {
                    segment.File.Dispose();
                }
            }

            _segments.Clear();
        }
    }

    private async Task WriteAsync()
    {
        await foreach (var work in _work.Reader.ReadAllAsync())
        {
            try
            {
                work();
            }
            catch (Exception error)
            {
                Unkept.Add(1);
                if (!_failing)
                {
                    LogFailed(error.GetType().Name, error.Message);
                }

                _failing = true;
            }
        }
    }

    private void Write(KeptFact kept, string extension)
    {
        lock (_gate)
        {
            kept.Segment = Append(kept.Fact.ToUtf8(), extension);
            kept.Segment.Waiting++;
        }
    }

    private void WriteUnfinished(CallSid callSid)
    {
        IReadOnlyList<CallCommand>? facts;
        lock (_latest)
        {
            _latest.Remove(callSid, out facts);
        }

        lock (_gate)
        {
            _unfinished.Remove(callSid, out var before);
            try
            {
                var segment = Append(new JournaledUnfinished(callSid, facts!).ToUtf8(), Unfinished);
                if (facts!.Count > 0)
                {
                    segment.Waiting++;
                    _unfinished[callSid] = segment;
                }
            }
            finally
            {
                if (before is not null)
                {
                    before.Waiting--;
                }

                ClearUnfinished();
            }
        }
    }

    /// <summary>Within the lock.</summary>
    private Segment Append(byte[] record, string extension)
    {
        if (_segments.Sum(segment => segment.File.Length) + record.Length > _options.MaxBytes)
        {
            throw new IOException($"The journal holds {_options.MaxBytes} bytes, and takes no more.");
        }

        var segment = _segments.FindLast(segment => segment.Extension == extension);
        if (segment is null || segment.File.Length >= _options.SegmentBytes)
        {
            // In order of their names, since they are read in that order.
            segment = new Segment(_folder.Create($"{_process:N}-{++_files:D8}{extension}"));
            _segments.Add(segment);
        }

        segment.File.Append(record);
        _failing = false;
        return segment;
    }

    private static bool IsUnfinished(string path) => path.EndsWith(Unfinished, StringComparison.Ordinal);

    /// <summary>The latest of each call, unless a later file of the process has told of it.</summary>
    private static IEnumerable<JournaledFact> Latest(IReadOnlyList<byte[]> records, HashSet<CallSid> told) => records
        .Reverse()
        .Select(record => JournaledUnfinished.Parse(record))
        .Where(kept => told.Add(kept.CallSid))
        .SelectMany(kept => kept.Facts.Select(fact => new JournaledFact(kept.CallSid, fact)));

    private void Release(Segment segment)
    {
        lock (_gate)
        {
            segment.Waiting--;
            Clear(segment);
        }
    }

    /// <summary>
    /// Within the lock. A later file is there as long as an earlier one, since it tells what has become of what that holds: for about a second, in which each call that
    /// goes on is written anew.
    /// </summary>
    private void ClearUnfinished()
    {
        while (_segments.Find(segment => segment.Extension == Unfinished) is { } oldest && Clear(oldest))
        {
        }
    }

    /// <summary>Within the lock.</summary>
    /// <returns>Whether the file is gone.</returns>
    private bool Clear(Segment segment)
    {
        if (!segment.IsDone || !_segments.Contains(segment))
        {
            return false;
        }

        // The last one of a kind is used again; a machine that takes calls needs it all the time.
        if (segment == _segments.FindLast(other => other.Extension == segment.Extension))
        {
            segment.File.Empty();
            return false;
        }

        _segments.Remove(segment);
        segment.File.Delete();
        return true;
    }

    private void Erase(IReadOnlyCollection<string> callSids)
    {
        lock (_gate)
        {
            _folder.Erase(path =>
            {
                var held = Held(path);
                using var left = held is null ? _folder.TryOpen(path) : null;
                if ((held ?? left) is { } file)
                {
                    Erase(file, callSids); // What is neither is another process's, which does its own part.
                }
            });
        }
    }

    /// <summary>Along with what is damaged, since nobody can tell whose it was.</summary>
    private void Erase(JournalFile file, IReadOnlyCollection<string> callSids)
    {
        var records = file.Read();
        _folder.TellLost(file);
        var others = records.Where(record => !callSids.Contains(JournaledFact.CallOf(record).Value)).ToList();
        if (others.Count < records.Count || file.Lost > 0)
        {
            file.Rewrite(others);
        }
    }

    /// <summary>Within the lock: a file that this process has open.</summary>
    private JournalFile? Held(string path) => _segments.Select(segment => segment.File).Concat(_takenOver).FirstOrDefault(file => file.Path == path);

    /// <summary>A file that is written.</summary>
    private sealed class Segment(JournalFile file)
    {
        public JournalFile File { get; } = file;

        public string Extension { get; } = Path.GetExtension(file.Path);

        /// <summary>Facts in it that are not stored.</summary>
        public int Waiting { get; set; }

        public bool IsDone => Waiting == 0;
    }

    private sealed class KeptFact(CallJournal journal, JournaledFact fact) : IKeptFact
    {
        private int _done;

        public JournaledFact Fact { get; } = fact;

        public Segment? Segment { get; set; }

        public void Write()
        {
            if (Volatile.Read(ref _done) == 0)
            {
                journal.Write(this, Facts);
            }
        }

        public void Stored()
        {
            Volatile.Write(ref _done, 1);
            journal._work.Writer.TryWrite(Release);
        }

        public void SetAside()
        {
            Interlocked.Increment(ref journal._setAside);
            journal._work.Writer.TryWrite(() =>
            {
                var before = Segment;
                journal.Write(this, Refused);
                if (before is not null)
                {
                    journal.Release(before);
                }
            });
        }

        private void Release()
        {
            if (Segment is { } segment)
            {
                Segment = null;
                journal.Release(segment);
            }
        }
    }

    private sealed class LeftJournal : ILeftJournal
    {
        private readonly CallJournal _journal;
        private readonly JournalFile _file;

        public LeftJournal(CallJournal journal, JournalFile file, IEnumerable<JournaledFact> facts)
        {
            (_journal, _file) = (journal, file);
            Facts = [.. facts.Select(fact => (fact.CallSid, fact.Fact))];
            journal._takenOver.Add(file);
        }

        public string Path => _file.Path;

        public IReadOnlyList<(CallSid CallSid, CallCommand Fact)> Facts { get; }

        public void Delete() => LetGo(_file.Delete);

        public void Dispose() => LetGo(_file.Dispose);

        private void LetGo(Action close)
        {
            lock (_journal._gate)
            {
                _journal._takenOver.Remove(_file);
                close();
            }
        }
    }

    [LoggerMessage(Level = LogLevel.Error, Message = "Facts of calls cannot be kept in the journal ({Error}: {Reason}); until they are stored they are in memory alone")]
    private partial void LogFailed(string error, string reason);
}
