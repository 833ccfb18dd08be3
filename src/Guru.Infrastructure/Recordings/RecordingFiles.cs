using System.Security.Cryptography;
using System.Text;
using Guru.Application.Privacy;
using Guru.Application.Recordings;
using Guru.Domain;
using Guru.Domain.Calls;
using Guru.Infrastructure.Postgres;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;

namespace Guru.Infrastructure.Recordings;

/// <summary>
/// Recordings in a folder: one folder for a call, one file for a stream. Written beside and then renamed, so that a node that dies leaves a
/// draft, which is swept away. The oldest calls go when the folder is too large or they are too old.
/// </summary>
internal sealed partial class RecordingFiles(
    IOptions<RecordingSettings> settings, EventKeys keys, TimeProvider time, ILogger<RecordingFiles> logger) : IRecordingStore, IPersonalStore
{
    private const string Stored = ".recording";
    private const string Draft = ".draft";

    /// <summary>Longer than any call.</summary>
    private static readonly TimeSpan DraftsAreLeft = TimeSpan.FromHours(6);

    private readonly string _root = Path.GetFullPath(settings.Value.Path ?? "recordings");
    private readonly Lock _sweeping = new();

    string IPersonalStore.Name => "recordings";

    Retained? IPersonalStore.Retained => Retained.Recordings;

    public async Task<IRecordingPart> BeginAsync(RecordedStream stream, CancellationToken cancellationToken)
    {
        var scope = KeyScope.Of(stream.CallerId, PersonalDataKind.Recording, stream.StartedAt);
        var key = (await keys.ForWritingAsync([scope], cancellationToken))[scope];
        return new FilePart(this, stream, key);
    }

    public async Task<Recording?> OpenAsync(CallSid callSid, CancellationToken cancellationToken)
    {
        var parts = new List<RecordingSound.Part>();
        try
        {
            foreach (var path in FilesOf(callSid))
            {
                if (await OpenAsync(path, cancellationToken) is { } part)
                {
                    parts.Add(part);
                }
            }
        }
        catch
        {
            parts.ForEach(part => part.File.Dispose());
            throw;
        }

        return parts.Count == 0
            ? null
            : new Recording(
                new RecordingSound(callSid, [.. parts.OrderBy(part => part.From)]),
                parts.Sum(part => part.File.Length),
                new DateTimeOffset(parts.Max(part => File.GetLastWriteTimeUtc(part.File.Name))));
    }

    public Task EraseAsync(Erasure erasure, IReadOnlyCollection<string> callSids, CancellationToken cancellationToken)
    {
        foreach (var callSid in callSids)
        {
            if (CallSid.TryParse(callSid, out var sid) && Directory.Exists(FolderOf(sid)))
            {
                Directory.Delete(FolderOf(sid), recursive: true);
            }
        }

        return Task.CompletedTask;
    }

    /// <summary>Deletes what is too old, what is too much, and what a dead node left behind.</summary>
    public void Sweep()
    {
        try
        {
            lock (_sweeping)
            {
                SweepFolder();
            }
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            LogNotSwept(error); // Another node may be at it; the next recording sweeps again.
        }
    }

    private void SweepFolder()
    {
        if (!Directory.Exists(_root))
        {
            return;
        }

        var now = time.GetUtcNow().UtcDateTime;
        var calls = new DirectoryInfo(_root).GetDirectories().Where(folder => CallSid.TryParse(folder.Name, out _))
            .Select(folder => (Folder: folder, Files: folder.GetFiles()))
            .Select(call => (
                call.Folder,
                Bytes: call.Files.Sum(file => file.Length),
                IsWritten: call.Files.Any(file => file.Extension == Draft && file.LastWriteTimeUtc > now - DraftsAreLeft),
                At: call.Files.Select(file => file.LastWriteTimeUtc).DefaultIfEmpty(call.Folder.LastWriteTimeUtc).Max(),
                Drafts: call.Files.Where(file => file.Extension == Draft && file.LastWriteTimeUtc <= now - DraftsAreLeft).ToList()))
            .OrderBy(call => call.At).ToList();
        calls.SelectMany(call => call.Drafts).ToList().ForEach(draft => draft.Delete());

        var most = (long)(settings.Value.MostGigabytes * 1e9);
        var bytes = calls.Sum(call => call.Bytes);
        var gone = 0;
        foreach (var call in calls.Where(call => !call.IsWritten))
        {
            if (call.At < now.AddDays(-settings.Value.Days) || bytes > most)
            {
                call.Folder.Delete(recursive: true);
                (bytes, gone) = (bytes - call.Bytes, gone + 1);
            }
        }

        if (gone > 0)
        {
            LogSwept(gone);
        }
    }

    private async Task<RecordingSound.Part?> OpenAsync(string path, CancellationToken cancellationToken)
    {
        var file = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
        RecordingSound.Part? part = null;
        try
        {
            var header = new byte[RecordingFormat.HeaderBytes];
            if (await file.ReadAtLeastAsync(header, header.Length, throwOnEndOfStream: false, cancellationToken) == header.Length
                && RecordingFormat.TryReadHeader(header, out var keyId, out var startMs)
                && (await keys.ForReadingAsync([keyId], cancellationToken)).TryGetValue(keyId, out var key)
                && RecordingFormat.SoundIn(file.Length) is > 0 and var bytes)
            {
                part = new RecordingSound.Part(Path.GetFileNameWithoutExtension(path), file, key, startMs * 16, bytes);
            }

            return part;
        }
        finally
        {
            if (part is null)
            {
                await file.DisposeAsync(); // Its key was destroyed, it is no recording, or it could not be read.
            }
        }
    }

    private IEnumerable<string> FilesOf(CallSid callSid) =>
        Directory.Exists(FolderOf(callSid)) ? Directory.EnumerateFiles(FolderOf(callSid), "*" + Stored) : [];

    private string FolderOf(CallSid callSid) => Path.Combine(_root, callSid.Value);

    /// <summary>A stream's id comes from the wire: what could be more than a name is hashed.</summary>
    private static string NameOf(string streamSid) =>
        streamSid.Length is > 0 and <= 64 && streamSid.All(char.IsAsciiLetterOrDigit)
            ? streamSid
            : Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(streamSid)))[..32];

    private sealed class FilePart : IRecordingPart
    {
        private readonly RecordingFiles _files;
        private readonly RecordedStream _stream;
        private readonly EventKey _key;
        private readonly string _name;
        private readonly string _path;
        private readonly FileStream _file;
        private long _second;
        private bool _isComplete;

        public FilePart(RecordingFiles files, RecordedStream stream, EventKey key)
        {
            (_files, _stream, _key, _name) = (files, stream, key, NameOf(stream.StreamSid));
            _path = Path.Combine(files.FolderOf(stream.CallSid), _name);
            Directory.CreateDirectory(files.FolderOf(stream.CallSid));
            var options = new FileStreamOptions { Mode = FileMode.Create, Access = FileAccess.Write, Share = FileShare.Delete, Options = FileOptions.Asynchronous };
            if (!OperatingSystem.IsWindows())
            {
                options.UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite;
            }

            _file = new FileStream(_path + Draft, options);
        }

        public async Task WriteAsync(ReadOnlyMemory<byte> sound, CancellationToken cancellationToken)
        {
            if (_second == 0)
            {
                await _file.WriteAsync(RecordingFormat.Header(_key.Id, _stream.StartMs, _stream.StartedAt), cancellationToken);
            }

            var second = SealedBytes.Seal(_key.Bytes, sound.Span, RecordingFormat.Binding(_stream.CallSid, _name, _second++));
            await _file.WriteAsync(second, cancellationToken);
        }

        public async Task<long> CompleteAsync(CancellationToken cancellationToken)
        {
            await _file.FlushAsync(cancellationToken);
            var bytes = _file.Length;
            await _file.DisposeAsync();
            File.Move(_path + Draft, _path + Stored, overwrite: true);
            _isComplete = true;
            _ = Task.Run(_files.Sweep, CancellationToken.None);
            return bytes;
        }

        public async ValueTask DisposeAsync()
        {
            if (_isComplete)
            {
                return;
            }

            try
            {
                await _file.DisposeAsync();
            }
            catch (IOException)
            {
                // A full disk refuses what was still to be written of it.
            }

            File.Delete(_path + Draft);
        }
    }

    [LoggerMessage(Level = LogLevel.Information, Message = "{Count} recordings were too old, or too many, and are deleted")]
    private partial void LogSwept(int count);

    [LoggerMessage(Level = LogLevel.Warning, Message = "The folder of recordings could not be swept")]
    private partial void LogNotSwept(Exception error);
}
