using System.Diagnostics.Metrics;
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
    private readonly JournalFolder _folder;
    private readonly byte[] _secret;
    private readonly JournalOptions _options;
    private readonly ILogger _logger;
    private JournalFile? _own;

    public MessageJournal(string dataDirectory, ServerSecret secret, JournalOptions options, ILogger<MessageJournal> logger)
    {
        _folder = new JournalFolder(dataDirectory, secret, "guru messages", [Extension], logger);
        (_secret, _options, _logger) = (secret.Value.ToArray(), options, logger);
        TakeOver();
    }

    string IPersonalStore.Name => "messages";

    public IReadOnlyList<string> Unread => _folder.Unread;

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

    public bool HasWaiting(string person)
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
            return _kept.Exists(kept => IsOf(kept.Message, callerId)); // Also what is set aside, since that is to be erased, too.
        }
    }

    public void TakeOver()
    {
        lock (_gate)
        {
            foreach (var path in _folder.Look().Where(path => Held(path) is null))
            {
                _folder.TryTakeOver(path, TakeOver);
            }
        }
    }

    public void Keep(ReceiveWhatsAppMessage message)
    {
        var record = Record(message);
        lock (_gate)
        {
            if (_kept.Exists(kept => kept.Message.MessageSid == message.MessageSid))
            {
                return; // Delivered twice.
            }

            if (IsFull(record))
            {
                _files.ToList().ForEach(Shrink); // What is stored makes room.
            }

            if (_kept.Count >= _options.MostMessages || IsFull(record))
            {
                throw new IOException($"{_kept.Count} messages wait for the database, and the journal takes no more.");
            }

            if (_own is null)
            {
                _own = _folder.Create($"{Guid.CreateVersion7():N}{Extension}");
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
            Forget(kept => kept.Message.MessageSid == message.MessageSid);
            Tidy();
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
            _folder.Erase(path =>
            {
                if (Held(path) is null)
                {
                    _folder.TakeOver(path, TakeOver);
                }

                if (Held(path) is { } file)
                {
                    Forget(kept => kept.File == file && IsErased(kept.Message, erasure));
                    Shrink(file);
                }
            });
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

    private static byte[] Record(ReceiveWhatsAppMessage message) => JsonSerializer.SerializeToUtf8Bytes(message);

    private static ReceiveWhatsAppMessage Parse(byte[] record) => JsonSerializer.Deserialize<ReceiveWhatsAppMessage>(record) ?? throw new JsonException("No message.");

    private JournalFile? Held(string path) => _files.Find(file => file.Path == path);

    private bool IsFull(byte[] record) => _files.Sum(file => file.Length) + record.Length > _options.MaxBytes;

    /// <summary>What another process left; one that lives has its file.</summary>
    private void TakeOver(JournalFile file, IReadOnlyList<byte[]> records)
    {
        var messages = records.Select(Parse).DistinctBy(message => message.MessageSid).ToList();
        if (messages.Count == 0)
        {
            file.Delete();
            return;
        }

        _files.Add(file);
        messages.ForEach(message => Add(message, file));
        LogLeft(messages.Count);
    }

    private void Add(ReceiveWhatsAppMessage message, JournalFile file)
    {
        _kept.Add(new Kept(message, file));
        Late.Add(1);
    }

    private void Forget(Predicate<Kept> which) => Late.Add(-_kept.RemoveAll(which));

    /// <summary>Within the lock: what is stored leaves the disk, once nothing in its file waits.</summary>
    private void Tidy()
    {
        foreach (var file in _files.Where(file => !_kept.Exists(kept => kept.File == file && !kept.IsAside)).ToList())
        {
            _folder.Try(file.Path, () => Shrink(file)); // The message is stored all the same.
        }
    }

    /// <summary>Within the lock: only what waits, or is set aside, stays on the disk; what is damaged does not either, since nobody can tell whose it was.</summary>
    private void Shrink(JournalFile file)
    {
        var stays = _kept.FindAll(kept => kept.File == file);
        if (stays.Count > 0)
        {
            if (file.Records > stays.Count || file.Lost > 0)
            {
                file.Rewrite(stays.Select(kept => Record(kept.Message)));
            }
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

    [LoggerMessage(Level = LogLevel.Information, Message = "Another process left {Messages} messages in the journal that may not be on record; they wait here now")]
    private partial void LogLeft(int messages);
}
