using System.Buffers.Binary;
using System.Security.Cryptography;
using Guru.Infrastructure.Postgres;

namespace Guru.Infrastructure.Journal;

/// <summary>
/// One file of the journal: records one after the other, each of them sealed (AES-256-GCM): length, nonce, tag, ciphertext. Locked while
/// it is open; the kernel drops the lock when the process dies, however it dies. What was written survives the process, not the machine.
/// </summary>
internal sealed class JournalFile : IDisposable
{
    /// <summary>Behind the name of a file that is being rewritten; one that is found was left by a process that died over it.</summary>
    public const string Beside = ".new";

    private const int LengthBytes = sizeof(int);
    private const int NonceBytes = 12;
    private const int TagBytes = 16;
    private const int HeaderBytes = LengthBytes + NonceBytes + TagBytes;
    private const int MostRecordBytes = 16 * 1024 * 1024;

    /// <summary>Behind what is damaged any four bytes may be taken for a length. Facts are far shorter, and what is tried stays little.</summary>
    private const int MostBehindDamage = 64 * 1024;

    private readonly byte[] _key;
    private FileStream _stream;

    /// <summary>What <see cref="_stream"/> has replaced: locked on, since another process may have opened it by the name that it had.</summary>
    private FileStream? _replaced;

    private JournalFile(string path, byte[] key, FileMode mode)
    {
        (Path, _key) = (path, key);
        _stream = Open(path, mode);
        Length = _stream.Length;
    }

    public string Path { get; private set; }

    /// <summary>Up to the end of the last whole record, where the next one goes.</summary>
    public long Length { get; private set; }

    /// <summary>Whole ones, of which this process knows since it read or wrote them.</summary>
    public int Records { get; private set; }

    /// <summary>How many bytes were no part of a whole record when it was read.</summary>
    public long Lost { get; private set; }

    /// <summary>It is locked before it has its name, so that nobody takes it for one that was left.</summary>
    public static JournalFile Create(string path, byte[] key)
    {
        var file = new JournalFile(path + Beside, key, FileMode.Create);
        try
        {
            File.Move(file.Path, path);
        }
        catch
        {
            file.Delete();
            throw;
        }

        file.Path = path;
        return file;
    }

    /// <summary>Opens one that was left; null if another process has it, or has deleted it.</summary>
    /// <exception cref="IOException">It may be had another time.</exception>
    public static JournalFile? TryOpen(string path, byte[] key)
    {
        try
        {
            return new JournalFile(path, key, FileMode.Open);
        }
        catch (IOException error) when (error is FileNotFoundException or DirectoryNotFoundException || DirectoryLock.IsHeld(error))
        {
            return null;
        }
    }

    public void Append(ReadOnlySpan<byte> plain)
    {
        var record = new byte[HeaderBytes + plain.Length];
        BinaryPrimitives.WriteInt32LittleEndian(record, plain.Length);
        var nonce = record.AsSpan(LengthBytes, NonceBytes);
        RandomNumberGenerator.Fill(nonce);
        using var aes = new AesGcm(_key, TagBytes);
        aes.Encrypt(nonce, plain, record.AsSpan(HeaderBytes), record.AsSpan(LengthBytes + NonceBytes, TagBytes));
        _stream.Position = Length;
        try
        {
            _stream.Write(record);
        }
        catch
        {
            _stream.SetLength(Length); // A full disk may have taken half of it.
            throw;
        }

        Length += record.Length;
        Records++;
    }

    /// <summary>
    /// Every whole record. What a full disk or a fallen machine left half written, zeros, and what is damaged are passed over: each record is sealed by itself, so that
    /// one that opens behind them is as it was written, and since records are only added, they are in their order all the same.
    /// </summary>
    /// <exception cref="CryptographicException">None opens: they are sealed under another secret, or damaged all of them.</exception>
    public IReadOnlyList<byte[]> Read()
    {
        var bytes = new byte[_stream.Length];
        _stream.Position = 0;
        _stream.ReadExactly(bytes);
        using var aes = new AesGcm(_key, TagBytes);
        var records = new List<byte[]>();
        var most = MostRecordBytes;
        Lost = 0;
        for (var at = 0; at < bytes.Length;)
        {
            if (Unseal(aes, bytes.AsSpan(at), most) is { } plain)
            {
                records.Add(plain);
                (at, most) = (at + HeaderBytes + plain.Length, MostRecordBytes);
            }
            else
            {
                (at, most) = (at + 1, MostBehindDamage);
                Lost++;
            }
        }

        Records = records.Count;
        return records.Count > 0 || Lost == 0 ? records : throw new CryptographicException("No record can be opened.");
    }

    public void Empty()
    {
        _stream.SetLength(0);
        (Length, Records, Lost) = (0, 0, 0);
    }

    /// <summary>Keeps only these, in one step: a kill in between leaves the file as it was.</summary>
    public void Rewrite(IEnumerable<byte[]> records)
    {
        var beside = new JournalFile(Path + Beside, _key, FileMode.Create);
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
            beside.Delete();
            throw;
        }

        // The lock goes with the open file, which has the name now.
        _replaced?.Dispose();
        (_replaced, _stream) = (_stream, beside._stream);
        (Length, Records, Lost) = (beside.Length, beside.Records, 0);
    }

    public void Delete()
    {
        Dispose();
        File.Delete(Path);
    }

    public void Dispose()
    {
        _stream.Dispose();
        _replaced?.Dispose();
    }

    /// <returns>Null if no whole record begins here.</returns>
    private static byte[]? Unseal(AesGcm aes, ReadOnlySpan<byte> bytes, int most)
    {
        if (bytes.Length < HeaderBytes || BinaryPrimitives.ReadInt32LittleEndian(bytes) is var length && (length <= 0 || length > Math.Min(most, bytes.Length - HeaderBytes)))
        {
            return null;
        }

        var plain = new byte[length];
        try
        {
            aes.Decrypt(bytes.Slice(LengthBytes, NonceBytes), bytes.Slice(HeaderBytes, length), bytes.Slice(LengthBytes + NonceBytes, TagBytes), plain);
            return plain;
        }
        catch (AuthenticationTagMismatchException)
        {
            return null;
        }
    }

    /// <summary>For the owner alone, and without a buffer of our own: what is written is the kernel's at once.</summary>
    private static FileStream Open(string path, FileMode mode)
    {
        var options = new FileStreamOptions { Mode = mode, Access = FileAccess.ReadWrite, Share = FileShare.None, BufferSize = 0 };
        if (mode != FileMode.Open && !OperatingSystem.IsWindows())
        {
            options.UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite;
        }

        return new FileStream(path, options);
    }
}
