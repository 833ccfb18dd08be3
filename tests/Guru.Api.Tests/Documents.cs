namespace Guru.Api.Tests;

internal static class Documents
{
    /// <summary>The cells of the rows of tables that begin so.</summary>
    public static IEnumerable<string[]> Rows(string path, string beginning)
    {
        var root = new DirectoryInfo(AppContext.BaseDirectory);
        while (!File.Exists(Path.Combine(root.FullName, "Guru.sln")))
        {
            root = root.Parent!;
        }

        return File.ReadLines(Path.Combine(root.FullName, path)).Where(line => line.StartsWith(beginning, StringComparison.Ordinal))
            .Select(line => line.Split('|')[1..^1]).Select(cells => Array.ConvertAll(cells, cell => cell.Trim()));
    }
}
