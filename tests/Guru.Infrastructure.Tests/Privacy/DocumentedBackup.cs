using System.Diagnostics;
using System.Text.RegularExpressions;
using Npgsql;

namespace Guru.Infrastructure.Tests.Privacy;

/// <summary>Backups by the commands of docs/privacy.md, as they stand there.</summary>
/// <param name="folder">Where the files are.</param>
internal sealed partial class DocumentedBackup(string folder)
{
    private static readonly string Document = File.ReadAllText(Path.Combine(Root(), "docs", "privacy.md"));

    /// <summary>The tables in <c>guru</c> whose rows are in no backup.</summary>
    public static IReadOnlyList<string> LeftOut { get; } = Excluded().Match(Document).Groups["tables"].Value.Split('|');

    /// <param name="database">A connection string.</param>
    public Task TakeAsync(string database) => RunAsync("Backing up", "DATABASE_URL", database);

    /// <param name="database">An empty one.</param>
    public Task PutBackAsync(string database) => RunAsync("Putting a backup back", "RESTORED_URL", database);

    /// <summary>The commands under a heading, in a shell.</summary>
    private async Task RunAsync(string heading, string variable, string database)
    {
        var commands = Commands().Match(Document[Document.IndexOf($"### {heading}", StringComparison.Ordinal)..]).Groups["commands"].Value;
        var start = new ProcessStartInfo("bash", ["-e", "-c", commands]) { WorkingDirectory = folder, RedirectStandardError = true, UseShellExecute = false };
        var to = new NpgsqlConnectionStringBuilder(database);
        start.Environment[variable] = $"postgres://{to.Username}:{to.Password}@{to.Host}:{to.Port}/{to.Database}";
        using var shell = Process.Start(start)!;
        var error = await shell.StandardError.ReadToEndAsync();
        await shell.WaitForExitAsync();
        if (shell.ExitCode != 0)
        {
            throw new InvalidOperationException(error);
        }
    }

    private static string Root()
    {
        var directory = new DirectoryInfo(AppContext.BaseDirectory);
        while (!File.Exists(Path.Combine(directory.FullName, "Guru.sln")))
        {
            directory = directory.Parent!;
        }

        return directory.FullName;
    }

    [GeneratedRegex("```sh\n(?<commands>.*?)```", RegexOptions.Singleline, matchTimeoutMilliseconds: 1000)]
    private static partial Regex Commands();

    [GeneratedRegex(@"--exclude-table-data='guru\.\((?<tables>[a-z_|]+)\)'", RegexOptions.None, matchTimeoutMilliseconds: 1000)]
    private static partial Regex Excluded();
}
