namespace Guru.Benchmarks;

/// <summary>Where a PostgreSQL has its data for as long as a measurement takes.</summary>
internal static class BenchDirectory
{
    /// <summary>The cluster may lie elsewhere, where the server's user can read it.</summary>
    public static void Delete(string directory)
    {
        if (new DirectoryInfo(Path.Combine(directory, "postgres")).ResolveLinkTarget(returnFinalTarget: true) is { Exists: true } elsewhere)
        {
            Directory.Delete(elsewhere.FullName, recursive: true);
        }

        Directory.Delete(directory, recursive: true);
    }
}
