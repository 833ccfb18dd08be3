using System.Diagnostics.Metrics;
using System.Security.Cryptography;
using System.Text.Json;
using Guru.Application;
using Guru.Application.Conversations;
using Guru.Application.Privacy;
using Guru.Application.Voice;
using Guru.Domain.Callers;
using Microsoft.Extensions.Logging;

namespace Guru.Infrastructure.Journal;

/// <summary>
/// Messages that wait for the database, in a file beside the journal of calls, sealed like it. Nothing is written while the database answers; a file whose messages
/// are all stored is emptied, and one that another process left is deleted.
/// </summary>
internal sealed partial class MessageJournal : IMessageJournal, IPersonalStore, IDisposable
{
    private const string Extension = ".messages";

    private static readonly UpDownCounter<int> Late = new Meter(CallMeter.Name).CreateUpDownCounter<int>(
        "guru.messages.late", "{message}", "Messages that wait in the journal for the database.");

    private readonly Lock _gate = new();
    private readonly List<Kept> _kept = [];
    private readonly List<JournalFile> _files = [];
    private readonly string _directory;
    private readonly byte[] _secret;
    private readonly byte[] _key;
    private readonly JournalOptions _options;
    private readonly ILogger _logger;
    private readonly List<string> _unreadable = [];
    private IReadOnlyList<string> _unread = [];
    private JournalFile? _own;

    public MessageJournal(string dataDirectory, ServerSecret secret, JournalOptions options, ILogger<MessageJournal> logger)
    {
        _directory = Path.Combine(dataDirectory, "journal");
        (_secret, _options, _logger) = (secret.Value.ToArray(), options, logger);
        _key = HKDF.DeriveKey(HashAlgorithmName.SHA256, _secret, outputLength: 32, info: "guru messages"u8.ToArray());
        if (Directory.Exists(_directory))
        {
            _unreadable.AddRange(Directory.EnumerateFiles(_directory, $"*{Extension}.unreadable"));
            TakeOver();
            _unread = [.. _unreadable.Select(path => Path.GetFileName(path))];
        }
    }

    string IPersonalStore.Name => "messages";

    public IReadOnlyList<string> Unread => _unread;

    public IReadOnlyList<ReceiveWhatsAppMessage> Waiting
    {
        get
        {
            lock (_gate)
            {
                // What is taken over may be older than what came here.
                return [.. _kept.Where(kept => !kept.IsAside).Select(kept => kept.Message).OrderBy(message => message.ReceivedAt)];
            }
        }
    }

    public bool HasOf(string person)
    {
        lock (_gate)
        {
            return _kept.Exists(kept => kept.Person == person && !kept.IsAside);
        }
    }

    public bool HasOf(CallerId callerId)
    {
        lock (_gate)
        {
            TakeOver();
            return _kept.Exists(kept => IsOf(kept.Message, callerId));
        }
    }

    public void TakeOver()
    {
        lock (_gate)
        {
            if (!Directory.Exists(_directory))
            {
                return;
            }

            foreach (var path in Directory.EnumerateFiles(_directory, "*" + Extension).Order(StringComparer.Ordinal).ToList())
            {
                if (!_files.Exists(file => file.Path == path) && !_unreadable.Contains(path, StringComparer.Ordinal)
                    && Try(path, () => TakeOver(path)) is not null && File.Exists(path))
                {
                    _unreadable.Add(path);
                }
            }
        }
    }

    public void Keep(ReceiveWhatsAppMessage message)
    {
        var record = JsonSerializer.SerializeToUtf8Bytes(message);
        lock (_gate)
        {
            if (_kept.Exists(kept => kept.Message.MessageSid == message.MessageSid))
            {
                return; // Delivered twice.
            }

            if (_kept.Count >= _options.MostMessages || _files.Sum(file => file.Length) + record.Length > _options.MaxBytes)
            {
                throw new IOException($"{_kept.Count} messages wait for the database, and the journal takes no more.");
            }

            if (_own is null)
            {
                Directory.CreateDirectory(_directory);
                _own = JournalFile.Create(Path.Combine(_directory, $"{Guid.CreateVersion7():N}{Extension}"), _key);
                _files.Add(_own);
            }

            _own.Append(record);
            Add(message, _own);
        }
    }

    public void Stored(ReceiveWhatsAppMessage message)
    {
        lock (_gate)
        {
            Remove(kept => kept.Message.MessageSid == message.MessageSid);
        }
    }

    public void SetAside(ReceiveWhatsAppMessage message)
    {
        lock (_gate)
        {
            _kept.FindAll(kept => kept.Message.MessageSid == message.MessageSid).ForEach(kept => kept.IsAside = true);
            Tidy();
        }
    }

    /// <summary>What was written up to the erasing: who writes again begins anew.</summary>
    public Task EraseAsync(Erasure erasure, IReadOnlyCollection<string> callSids, CancellationToken cancellationToken)
    {
        lock (_gate)
        {
            TakeOver();
            Remove(kept => IsErased(kept.Message, erasure));
            List<(string Path, Exception? Error)> tried =
            [
                // Also what is stored, since a file stays as it is while something in it waits.
                .. _files.Select(file => (file.Path, Try(file.Path, () => Rewrite(file, message => !IsErased(message, erasure))))),
            ];
            _unread = [.. _unreadable.Concat(tried.Where(file => file.Error is not null).Select(file => file.Path)).Distinct().Select(path => Path.GetFileName(path))];
            if (tried.Find(file => file.Error is IOException) is { Error: { } error })
            {
                throw new IOException(error.Message, error);
            }
        }

        return Task.CompletedTask;
    }

    /// <summary>What is not stored by now stays for the next start.</summary>
    public void Dispose()
    {
        lock (_gate)
        {
            Late.Add(-_kept.Count);
            foreach (var file in _files)
            {
                if (_kept.Exists(kept => kept.File == file))
                {
                    file.Dispose();
                }
                else
                {
                    file.Delete();
                }
            }

            _files.Clear();
            _kept.Clear();
            _own = null;
        }
    }

    /// <summary>Along with what is damaged, since nobody can tell whose it was.</summary>
    private static void Rewrite(JournalFile file, Predicate<ReceiveWhatsAppMessage> stays)
    {
        var records = file.Read();
        var others = records.Where(record => stays(Parse(record))).ToList();
        if (others.Count < records.Count || file.Lost > 0)
        {
            file.Rewrite(others);
        }
    }

    private static ReceiveWhatsAppMessage Parse(byte[] record) => JsonSerializer.Deserialize<ReceiveWhatsAppMessage>(record) ?? throw new JsonException("No message.");

    /// <summary>What another process left; one that lives has its file.</summary>
    private void TakeOver(string path)
    {
        if (JournalFile.TryOpen(path, _key) is not { } file)
        {
            return;
        }

        var isOurs = false;
        try
        {
            var messages = file.Read().Select(Parse).DistinctBy(message => message.MessageSid).ToList();
            if (messages.Count == 0)
            {
                file.Delete();
                return;
            }

            _files.Add(file);
            isOurs = true;
            messages.ForEach(message => Add(message, file));
            LogLeft(messages.Count);
        }
        catch (Exception error) when (error is CryptographicException or JsonException)
        {
            LogUnreadable(path, error.GetType().Name);
            File.Move(path, path + ".unreadable", overwrite: true);
            _unreadable.Add(path + ".unreadable");
        }
        finally
        {
            if (!isOurs)
            {
                file.Dispose();
            }
        }
    }

    /// <summary>One file that cannot be used stands in the way of no other, and of no start.</summary>
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

    private void Add(ReceiveWhatsAppMessage message, JournalFile file)
    {
        _kept.Add(new Kept(message, file));
        Late.Add(1);
    }

    /// <summary>Within the lock.</summary>
    private void Remove(Predicate<Kept> which)
    {
        Late.Add(-_kept.RemoveAll(which));
        Tidy();
    }

    /// <summary>Within the lock: what is stored leaves the disk, once nothing in its file waits.</summary>
    private void Tidy()
    {
        foreach (var file in _files.Where(file => !_kept.Exists(kept => kept.File == file && !kept.IsAside)).ToList())
        {
            if (_kept.Exists(kept => kept.File == file))
            {
                Rewrite(file, message => _kept.Exists(kept => kept.File == file && kept.Message.MessageSid == message.MessageSid));
            }
            else if (file == _own)
            {
                file.Empty();
            }
            else
            {
                _files.Remove(file);
                file.Delete();
            }
        }
    }

    private bool IsErased(ReceiveWhatsAppMessage message, Erasure erasure) => message.ReceivedAt <= erasure.At && IsOf(message, erasure.CallerId);

    /// <summary>Under the number, or under the id that was shown beside it.</summary>
    private bool IsOf(ReceiveWhatsAppMessage message, CallerId caller) => ((string?[])[message.From, message.ExternalUserId])
        .Any(shown => CallerAddress.TryParse(shown, out var address) && CallerId.Of(address, _secret) == caller);

    private sealed class Kept(ReceiveWhatsAppMessage message, JournalFile file)
    {
        public ReceiveWhatsAppMessage Message { get; } = message;

        public string Person { get; } = message.Person;

        public JournalFile File { get; } = file;

        public bool IsAside { get; set; }
    }

    [LoggerMessage(Level = LogLevel.Information, Message = "The journal has {Messages} messages that may not be stored; they are now")]
    private partial void LogLeft(int messages);

    [LoggerMessage(Level = LogLevel.Error, Message = "The journal {Path} cannot be read ({Error}): it was written under another GURU_SECRET, or is damaged; it is kept beside the others")]
    private partial void LogUnreadable(string path, string error);
}
