namespace Guru.Infrastructure.Postgres;

/// <summary>
/// Held while a Guru uses a data directory. The kernel drops it when the process dies, however it dies, and no child inherits it.
/// </summary>
internal sealed class DirectoryLock : IDisposable
{
    private const int WouldBlockOnLinux = 11;
    private const int WouldBlockOnMac = 35;
    private const int SharingViolationOnWindows = unchecked((int)0x80070020);

    private readonly FileStream _file;

    private DirectoryLock(FileStream file) => _file = file;

    /// <exception cref="DataDirectoryInUseException">Another Guru holds it.</exception>
    public static DirectoryLock Take(string directory, string dataDirectory)
    {
        try
        {
            return new DirectoryLock(new FileStream(
                Path.Combine(directory, "lock"), FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None, bufferSize: 0));
        }
        catch (IOException e) when (IsHeld(e))
        {
            throw new DataDirectoryInUseException(dataDirectory);
        }
        catch (IOException e)
        {
            throw new EmbeddedPostgresException($"{directory} cannot be used: {e.Message}", e);
        }
        catch (UnauthorizedAccessException e)
        {
            throw new EmbeddedPostgresException(
                $"{directory} belongs to another user: run Guru as that user, or set GURU_DATA_DIR to a directory of your own.", e);
        }
    }

    /// <summary>Whether a file could not be opened since somebody has it open for themselves alone.</summary>
    public static bool IsHeld(IOException error) => error.HResult is WouldBlockOnLinux or WouldBlockOnMac or SharingViolationOnWindows;

    public void Dispose() => _file.Dispose();
}
