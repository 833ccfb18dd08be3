using System.Diagnostics.Metrics;
using System.Security.Cryptography;
using System.Text.Json;
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

    /// <summary>Behind the name of a file that is kept, and not looked into any more.</summary>
    private const string Unreadable = ".unreadable";

    private static readonly Counter<int> Unkept = new Meter(CallMeter.Name).CreateCounter<int>(
        "guru.journal.unkept", "{fact}", "What the journal could not keep; it is in memory alone until it is stored.");

    private readonly Lock _gate = new();
    private readonly string _directory;
    private readonly byte[] _key;
    private readonly JournalOptions _options;
    private readonly ILogger _logger;
    private readonly Channel<Action> _work = Channel.CreateUnbounded<Action>(new UnboundedChannelOptions { SingleReader = true });
    private readonly List<Segment> _segments = [];

    /// <summary>What is unfinished, by call, until it is written.</summary>
    private readonly Dictionary<CallSid, IReadOnlyList<CallCommand>> _latest = [];

    /// <summary>Where what is unfinished of a call stands.</summary>
    private readonly Dictionary<CallSid, Segment> _unfinished = [];
    private readonly Guid _process = Guid.CreateVersion7();
    private readonly Task _writing;
    private int _files;
    private int _setAside;
    private bool _failing;
    private volatile IReadOnlyList<string> _unread = [];

    public CallJournal(string dataDirectory, ServerSecret secret, JournalOptions options, ILogger<CallJournal> logger)
    {
        _directory = Path.Combine(dataDirectory, "journal");
        (_options, _logger) = (options, logger);
        _key = HKDF.DeriveKey(HashAlgorithmName.SHA256, secret.Value.ToArray(), outputLength: 32, info: "guru journal"u8.ToArray());
        _writing = Task.Run(WriteAsync);
    }

    string IPersonalStore.Name => "journal";

    public IReadOnlyList<string> Unread => _unread;

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
        var (facts, unfinished) = (new List<ILeftJournal>(), new List<ILeftJournal>());
        var told = new HashSet<(string Process, CallSid CallSid)>();
        lock (_gate)
        {
            foreach (var path in Files("*" + JournalFile.Beside))
            {
                Try(path, () => JournalFile.TryOpen(path, _key)?.Delete());
            }

            foreach (var path in Left())
            {
                Try(path, () => (Path.GetExtension(path) == Unfinished ? unfinished : facts).AddRange(TakeOver(path, told) is { } left ? [left] : []));
            }
        }

        return [.. facts, .. unfinished.AsEnumerable().Reverse()]; // What later ones have superseded goes first.
    }

    /// <returns>Null if another process has it.</returns>
    private LeftJournal? TakeOver(string path, HashSet<(string Process, CallSid CallSid)> told)
    {
        if (JournalFile.TryOpen(path, _key) is not { } file)
        {
            return null;
        }

        try
        {
            return new LeftJournal(
                file,
                Path.GetExtension(path) == Unfinished
                    ? [.. Latest(Read(file), Path.GetFileName(path).Split('-')[0], told)]
                    : [.. Read(file).Select(record => JournaledFact.Parse(record))]);
        }
        catch (Exception error)
        {
            file.Dispose();
            if (error is CryptographicException or JsonException)
            {
                File.Move(path, path + Unreadable, overwrite: true);
            }

            throw;
        }
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
            Directory.CreateDirectory(_directory);

            // In order of their names, since they are read in that order.
            segment = new Segment(JournalFile.Create(Path.Combine(_directory, $"{_process:N}-{++_files:D8}{extension}"), _key));
            _segments.Add(segment);
        }

        segment.File.Append(record);
        _failing = false;
        return segment;
    }

    /// <summary>The latest of each call, unless a later file of the process has told of it.</summary>
    private static IEnumerable<JournaledFact> Latest(IReadOnlyList<byte[]> records, string process, HashSet<(string Process, CallSid CallSid)> told) => records
        .Reverse()
        .Select(record => JournaledUnfinished.Parse(record))
        .Where(kept => told.Add((process, kept.CallSid)))
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
            List<(string Path, Exception? Error)> tried =
            [
                .. _segments.Select(segment => (segment.File.Path, Try(segment.File.Path, () => Erase(segment.File, callSids)))),
                .. Left().Select(path => (path, Try(path, () => EraseLeft(path, callSids)))),
            ];
            _unread = [.. Files("*" + Unreadable).Concat(tried.Where(file => file.Error is not null).Select(file => file.Path)).Select(path => Path.GetFileName(path))];
            if (tried.Find(file => file.Error is IOException) is { Error: { } error })
            {
                throw new IOException(error.Message, error); // It may be otherwise the next time: a disk is full for a while.
            }
        }
    }

    private void EraseLeft(string path, IReadOnlyCollection<string> callSids)
    {
        using var file = JournalFile.TryOpen(path, _key);
        if (file is not null)
        {
            Erase(file, callSids);
        }
    }

    /// <summary>One file that cannot be read stands in the way of no other.</summary>
    private Exception? Try(string path, Action use)
    {
        try
        {
            use();
            return null;
        }
        catch (Exception error)
        {
            LogUnreadable(path, error.GetType().Name);
            return error;
        }
    }

    /// <summary>Along with what is damaged, since nobody can tell whose it was.</summary>
    private void Erase(JournalFile file, IReadOnlyCollection<string> callSids)
    {
        var records = Read(file);
        var others = records.Where(record => !callSids.Contains(JournaledFact.CallOf(record).Value)).ToList();
        if (others.Count < records.Count || file.Lost > 0)
        {
            file.Rewrite(others);
        }
    }

    private IReadOnlyList<byte[]> Read(JournalFile file)
    {
        var records = file.Read();
        if (file.Lost > 0)
        {
            LogLost(file.Path, file.Lost);
        }

        return records;
    }

    /// <summary>
    /// Files that this process does not write, in their order, what was unfinished behind the others and the latest first; those of a process that lives cannot be opened.
    /// </summary>
    private List<string> Left()
    {
        var left = Files("*").Where(path => !_segments.Exists(segment => segment.File.Path == path)).Order(StringComparer.Ordinal)
            .ToLookup(path => Path.GetExtension(path), StringComparer.Ordinal);
        return [.. left[Facts].Concat(left[Refused]).Order(StringComparer.Ordinal), .. left[Unfinished].Reverse()];
    }

    private List<string> Files(string named) => Directory.Exists(_directory) ? [.. Directory.EnumerateFiles(_directory, named)] : [];

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

    private sealed class LeftJournal(JournalFile file, IReadOnlyList<JournaledFact> facts) : ILeftJournal
    {
        public IReadOnlyList<(CallSid CallSid, CallCommand Fact)> Facts { get; } = [.. facts.Select(fact => (fact.CallSid, fact.Fact))];

        public void Delete() => file.Delete();

        public void Dispose() => file.Dispose();
    }

    [LoggerMessage(Level = LogLevel.Error, Message = "Facts of calls cannot be kept in the journal ({Error}: {Reason}); until they are stored they are in memory alone")]
    private partial void LogFailed(string error, string reason);

    [LoggerMessage(Level = LogLevel.Error, Message = "The journal {Path} has {Lost} bytes that were half written or are damaged: what stood there is lost, and nothing else")]
    private partial void LogLost(string path, long lost);

    [LoggerMessage(Level = LogLevel.Error, Message = "The journal {Path} cannot be read ({Error}): it was written under another GURU_SECRET or by another user, or is damaged; it is kept beside the others")]
    private partial void LogUnreadable(string path, string error);
}
