namespace Guru.Infrastructure.Tests.Journal;

/// <summary>A file that is there and that nobody can open for a while: a link to itself is in its place.</summary>
internal sealed class FileOutOfReach : IDisposable
{
    private readonly string _path;

    public FileOutOfReach(string path)
    {
        _path = path;
        File.Move(path, Kept);
        File.CreateSymbolicLink(path, path);
    }

    private string Kept => _path + ".kept";

    public void Dispose()
    {
        File.Delete(_path);
        File.Move(Kept, _path);
    }
}
