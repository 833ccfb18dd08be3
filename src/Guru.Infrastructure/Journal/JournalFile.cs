using System.Buffers.Binary;
using System.Security.Cryptography;

namespace Guru.Infrastructure.Journal;

/// <summary>
/// One file of the journal: records one after the other, each of them sealed (AES-256-GCM): length, nonce, tag, ciphertext. Locked while
/// it is open; the kernel drops the lock when the process dies, however it dies. What was written survives the process, not the machine.
/// </summary>
internal sealed class JournalFile : IDisposable
{
    private const int LengthBytes = sizeof(int);
    private const int NonceBytes = 12;
    private const int TagBytes = 16;
    private const int MostRecordBytes = 16 * 1024 * 1024;

    private readonly byte[] _key;
    private FileStream _stream;

    private JournalFile(string path, byte[] key, FileMode mode)
    {
        (Path, _key) = (path, key);
        _stream = Open(path, mode);
    }

    public string Path { get; }

    public long Length => _stream.Length;

    public static JournalFile Create(string path, byte[] key) => new(path, key, FileMode.CreateNew);

    /// <summary>Opens one, to be appended to or read; null if another process has it.</summary>
    public static JournalFile? TryOpen(string path, byte[] key)
    {
        try
        {
            var file = new JournalFile(path, key, FileMode.OpenOrCreate);
            file._stream.Seek(0, SeekOrigin.End);
            return file;
        }
        catch (IOException)
        {
            return null;
        }
    }

    public void Append(ReadOnlySpan<byte> plain)
    {
        var record = new byte[LengthBytes + NonceBytes + TagBytes + plain.Length];
        BinaryPrimitives.WriteInt32LittleEndian(record, plain.Length);
        var nonce = record.AsSpan(LengthBytes, NonceBytes);
        RandomNumberGenerator.Fill(nonce);
        using var aes = new AesGcm(_key, TagBytes);
        aes.Encrypt(nonce, plain, record.AsSpan(LengthBytes + NonceBytes + TagBytes), record.AsSpan(LengthBytes + NonceBytes, TagBytes));
        _stream.Write(record);
    }

    /// <summary>Every whole record. What a full disk or a fallen machine left half written ends it.</summary>
    /// <exception cref="CryptographicException">A record is damaged, or sealed under another secret.</exception>
    public IReadOnlyList<byte[]> Read()
    {
        var records = new List<byte[]>();
        using var aes = new AesGcm(_key, TagBytes);
        var header = new byte[LengthBytes + NonceBytes + TagBytes];
        _stream.Seek(0, SeekOrigin.Begin);
        while (_stream.ReadAtLeast(header, header.Length, throwOnEndOfStream: false) == header.Length)
        {
            var length = BinaryPrimitives.ReadInt32LittleEndian(header);
            if (length is < 0 or > MostRecordBytes || length > _stream.Length - _stream.Position)
            {
                break;
            }

            var plain = new byte[length];
            _stream.ReadExactly(plain);
            aes.Decrypt(header.AsSpan(LengthBytes, NonceBytes), plain, header.AsSpan(LengthBytes + NonceBytes), plain);
            records.Add(plain);
        }

        _stream.Seek(0, SeekOrigin.End);
        return records;
    }

    public void Empty() => _stream.SetLength(0);

    /// <summary>Keeps only these, in one step: a kill in between leaves the file as it was.</summary>
    public void Rewrite(IEnumerable<byte[]> records)
    {
        var beside = new JournalFile(Path + ".new", _key, FileMode.Create);
        try
        {
            foreach (var record in records)
            {
                beside.Append(record);
            }

            File.Move(beside.Path, Path, overwrite: true);
        }
        catch
        {
            beside.Dispose();
            throw;
        }

        // The lock goes with the open file, which has the name now.
        _stream.Dispose();
        _stream = beside._stream;
    }

    public void Delete()
    {
        Dispose();
        File.Delete(Path);
    }

    public void Dispose() => _stream.Dispose();

    /// <summary>For the owner alone, and without a buffer of our own: what is written is the kernel's at once.</summary>
    private static FileStream Open(string path, FileMode mode)
    {
        var options = new FileStreamOptions { Mode = mode, Access = FileAccess.ReadWrite, Share = FileShare.None, BufferSize = 0 };
        if (!OperatingSystem.IsWindows())
        {
            options.UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite;
        }

        return new FileStream(path, options);
    }
}
