using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Guru.Application;
using Microsoft.Extensions.Logging;

namespace Guru.Infrastructure.Journal;

/// <summary>
/// The files of one journal in the data directory, sealed under a key of its own. One that cannot be used stands in the way of nothing else: what is none of ours gets another
/// name and is left alone; what the machine does not let us have now is tried again whenever somebody asks for it, and told in the log once. Not safe for concurrent use.
/// </summary>
internal sealed partial class JournalFolder(string dataDirectory, ServerSecret secret, string purpose, IReadOnlyList<string> extensions, ILogger logger)
{
    /// <summary>Behind the name of a file that is kept, and not looked into any more.</summary>
    private const string Unreadable = ".unreadable";

    private readonly string _path = Path.Combine(dataDirectory, "journal");
    private readonly byte[] _key = HKDF.DeriveKey(HashAlgorithmName.SHA256, secret.Value.ToArray(), outputLength: 32, info: Encoding.UTF8.GetBytes(purpose));
    private readonly HashSet<string> _failing = new(StringComparer.Ordinal);
    private readonly HashSet<string> _damaged = new(StringComparer.Ordinal);
    private volatile IReadOnlyList<string> _unread = [];

    /// <summary>What could not be looked into when something was last erased.</summary>
    public IReadOnlyList<string> Unread => _unread;

    /// <summary>Its files in the order of their names, without what a process left that died while it wrote one anew: that is deleted.</summary>
    public IReadOnlyList<string> Look()
    {
        IReadOnlyList<string> files = [];
        Try(_path, () =>
        {
            foreach (var path in Files(JournalFile.Beside))
            {
                Try(path, () => JournalFile.TryOpen(path, _key)?.Delete());
            }

            files = Files();
        });
        return files;
    }

    public JournalFile Create(string name)
    {
        Directory.CreateDirectory(_path);
        return JournalFile.Create(Path.Combine(_path, name), _key);
    }

    /// <inheritdoc cref="JournalFile.TryOpen"/>
    public JournalFile? TryOpen(string path) => JournalFile.TryOpen(path, _key);

    /// <inheritdoc cref="TakeOver"/>
    public bool TryTakeOver(string path, Action<JournalFile, IReadOnlyList<byte[]>> take)
    {
        var isSettled = false;
        Try(path, () => isSettled = TakeOver(path, take));
        return isSettled;
    }

    /// <summary>Opens what a process left, and hands over what it holds.</summary>
    /// <param name="take">Owns the file, unless it throws.</param>
    /// <returns>False if it is to be tried again, since another process has it, or the machine does not let us have it.</returns>
    public bool TakeOver(string path, Action<JournalFile, IReadOnlyList<byte[]>> take)
    {
        if (TryOpen(path) is not { } file)
        {
            return false;
        }

        try
        {
            var records = file.Read();
            TellLost(file);
            take(file, records);
        }
        catch (Exception error)
        {
            file.Dispose();
            if (error is not (CryptographicException or JsonException))
            {
                throw;
            }

            File.Move(path, path + Unreadable, overwrite: true);
            LogUnreadable(path, error.GetType().Name);
        }

        return true;
    }

    /// <summary>Has something erased from each file.</summary>
    /// <exception cref="IOException">It may be otherwise the next time: a disk is full for a while.</exception>
    public void Erase(Action<string> eraseFrom)
    {
        var failed = Files().Select(path => (Path: path, Error: Try(path, () => eraseFrom(path)))).Where(file => file.Error is not null).ToList();
        _unread = [.. Files(Unreadable).Concat(failed.Select(file => file.Path)).Select(path => Path.GetFileName(path))];
        if (failed.Find(file => file.Error is IOException) is { Error: { } error })
        {
            throw new IOException(error.Message, error);
        }

        if (_unread.Count > 0)
        {
            LogUnread(string.Join(", ", _unread));
        }
    }

    /// <returns>Why it could not be used.</returns>
    public Exception? Try(string path, Action use)
    {
        try
        {
            use();
            _failing.Remove(path);
            return null;
        }
        catch (Exception error)
        {
            if (_failing.Add(path))
            {
                LogFailing(path, error.GetType().Name, error.Message);
            }

            return error;
        }
    }

    public void TellLost(JournalFile file)
    {
        if (file.Lost > 0 && _damaged.Add(file.Path))
        {
            LogLost(file.Path, file.Lost);
        }
    }

    private List<string> Files(string behind = "")
    {
        bool IsOurs(string path) => extensions.Any(extension => path.EndsWith(extension + behind, StringComparison.Ordinal));
        return Directory.Exists(_path) ? [.. Directory.EnumerateFiles(_path).Where(IsOurs).Order(StringComparer.Ordinal)] : [];
    }

    [LoggerMessage(Level = LogLevel.Error, Message = "The journal {Path} has {Lost} bytes that were half written or are damaged: what stood there is lost, and nothing else")]
    private partial void LogLost(string path, long lost);

    [LoggerMessage(Level = LogLevel.Error, Message = "The journal {Path} cannot be read ({Error}): it was written under another GURU_SECRET, or is damaged; it is kept beside the others")]
    private partial void LogUnreadable(string path, string error);

    [LoggerMessage(Level = LogLevel.Error, Message = "The journal {Path} cannot be used now ({Error}: {Reason}); it is tried again")]
    private partial void LogFailing(string path, string error, string reason);

    [LoggerMessage(Level = LogLevel.Error, Message = "Somebody was erased, and the journal could not look into {Files}: something of theirs may be there")]
    private partial void LogUnread(string files);
}
