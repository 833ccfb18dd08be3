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
/// are all stored is emptied, and one that an earlier process left is deleted.
/// </summary>
public sealed partial class MessageJournal : IMessageJournal, IPersonalStore, IDisposable
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
    private JournalFile? _own;

    public MessageJournal(string dataDirectory, ServerSecret secret, JournalOptions options, ILogger<MessageJournal> logger)
    {
        _directory = Path.Combine(dataDirectory, "journal");
        (_secret, _options, _logger) = (secret.Value.ToArray(), options, logger);
        _key = HKDF.DeriveKey(HashAlgorithmName.SHA256, _secret, outputLength: 32, info: "guru messages"u8.ToArray());
        if (Directory.Exists(_directory))
        {
            foreach (var path in Directory.EnumerateFiles(_directory, "*" + Extension).Order(StringComparer.Ordinal).ToList())
            {
                TakeOver(path);
            }
        }
    }

    string IPersonalStore.Name => "messages";

    public IReadOnlyList<ReceiveWhatsAppMessage> Waiting
    {
        get
        {
            lock (_gate)
            {
                return [.. _kept.Where(kept => !kept.IsAside).Select(kept => kept.Message)];
            }
        }
    }

    public bool HasOf(string from)
    {
        lock (_gate)
        {
            return _kept.Exists(kept => kept.Message.From == from && !kept.IsAside);
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
        }
    }

    public Task EraseAsync(CallerId caller, IReadOnlyCollection<string> callSids, CancellationToken cancellationToken)
    {
        lock (_gate)
        {
            Remove(kept => IsOf(kept.Message, caller));
            foreach (var file in _files)
            {
                // Also what is stored, since a file stays as it is while something in it waits.
                var records = file.Read();
                var others = records.Where(record => !IsOf(Parse(record), caller)).ToList();
                if (others.Count < records.Count)
                {
                    file.Rewrite(others);
                }
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

    private static ReceiveWhatsAppMessage Parse(byte[] record) => JsonSerializer.Deserialize<ReceiveWhatsAppMessage>(record) ?? throw new JsonException("No message.");

    /// <summary>What an earlier process left; one that lives has its file.</summary>
    private void TakeOver(string path)
    {
        if (JournalFile.TryOpen(path, _key) is not { } file)
        {
            return;
        }

        try
        {
            var messages = file.Read().Select(Parse).DistinctBy(message => message.MessageSid).ToList();
            if (messages.Count == 0)
            {
                file.Delete();
                return;
            }

            _files.Add(file);
            messages.ForEach(message => Add(message, file));
            LogLeft(messages.Count);
        }
        catch (Exception error) when (error is CryptographicException or JsonException)
        {
            file.Dispose();
            LogUnreadable(path, error.GetType().Name);
            File.Move(path, path + ".unreadable", overwrite: true);
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
        foreach (var file in _files.Where(file => !_kept.Exists(kept => kept.File == file)).ToList())
        {
            if (file == _own)
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

    /// <summary>Under the number, or under the id that was shown beside it.</summary>
    private bool IsOf(ReceiveWhatsAppMessage message, CallerId caller) => ((string?[])[message.From, message.ExternalUserId])
        .Any(shown => CallerAddress.TryParse(shown, out var address) && CallerId.Of(address, _secret) == caller);

    private sealed class Kept(ReceiveWhatsAppMessage message, JournalFile file)
    {
        public ReceiveWhatsAppMessage Message { get; } = message;

        public JournalFile File { get; } = file;

        public bool IsAside { get; set; }
    }

    [LoggerMessage(Level = LogLevel.Information, Message = "The journal has {Messages} messages that may not be stored; they are now")]
    private partial void LogLeft(int messages);

    [LoggerMessage(Level = LogLevel.Error, Message = "The journal {Path} cannot be read ({Error}): it was written under another GURU_SECRET, or is damaged; it is kept beside the others")]
    private partial void LogUnreadable(string path, string error);
}
