[assembly: System.Runtime.Versioning.UnsupportedOSPlatform("windows")]

namespace Guru.Infrastructure.Tests.Postgres;

/// <summary>A directory that is gone after the test. Others may look into it, as into an ordinary checkout.</summary>
internal sealed class TemporaryDirectory : IDisposable
{
    public TemporaryDirectory()
    {
        Path = Directory.CreateTempSubdirectory("guru-test-").FullName;
        Open(Path);
    }

    public string Path { get; }

    public static void Open(string directory) => File.SetUnixFileMode(
        directory,
        UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute | UnixFileMode.GroupRead | UnixFileMode.GroupExecute
        | UnixFileMode.OtherRead | UnixFileMode.OtherExecute);

    public static void Close(string directory) =>
        File.SetUnixFileMode(directory, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);

    public string Sub(string name) => System.IO.Path.Combine(Path, name);

    public void Dispose() => Directory.Delete(Path, recursive: true);
}
