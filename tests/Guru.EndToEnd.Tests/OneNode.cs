using System.Diagnostics;
using System.Text;
using System.Text.RegularExpressions;
using Guru.Infrastructure.Postgres;
using Guru.Sandbox.Commands;
using Guru.Sandbox.OpenAI;
using Guru.Sandbox.Twilio;
using Microsoft.Extensions.Logging.Abstractions;
using Npgsql;

namespace Guru.EndToEnd.Tests;

/// <summary>A Guru process whose PostgreSQL and data directory can be looked into, while it runs and while it is stopped.</summary>
internal sealed class OneNode : IAsyncDisposable
{
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(60);

    private readonly string _folder = Directory.CreateTempSubdirectory("guru-e2e-node-").FullName;
    private readonly EmbeddedPostgres _server;
    private readonly List<string> _log = [];
    private GuruProcess? _guru;

    private OneNode(EmbeddedPostgres server, OpenAIStandIn openAI, TwilioStandIn twilio)
    {
        (_server, OpenAI, Twilio) = (server, openAI, twilio);
        Database = NpgsqlDataSource.Create(server.ConnectionString);
        Data = Directory.CreateDirectory(Path.Combine(_folder, "guru")).FullName;
    }

    public OpenAIStandIn OpenAI { get; }

    public TwilioStandIn Twilio { get; }

    public NpgsqlDataSource Database { get; }

    public string DatabaseUrl => _server.ConnectionString;

    /// <summary>Around the data directory; gone with the node.</summary>
    public string Folder => _folder;

    /// <summary>GURU_DATA_DIR.</summary>
    public string Data { get; }

    public Uri Address => _guru!.Address;

    /// <summary>Of every run.</summary>
    public IReadOnlyCollection<string> Log => [.. _log, .. _guru?.Log ?? []];

    /// <summary>All but Guru itself.</summary>
    public static async Task<OneNode> PrepareAsync(TwilioStandInOptions? twilio = null)
    {
        var folder = Directory.CreateTempSubdirectory("guru-e2e-node-db-").FullName;
        return new OneNode(
            await EmbeddedPostgres.StartAsync(folder, NullLogger.Instance, CancellationToken.None),
            await OpenAIStandIn.StartAsync(new OpenAIStandInOptions { ApiKey = GuruProcess.OpenAIKey }),
            await TwilioStandIn.StartAsync(twilio)) { DatabaseFolder = folder };
    }

    private string DatabaseFolder { get; init; } = "";

    public async Task StartAsync(params IEnumerable<(string Name, string Value)> settings)
    {
        _guru = await GuruProcess.StartAsync(OpenAI, Twilio, Settings(settings), Data);
        Twilio.AppUrl = _guru.Address;
    }

    public async Task StopAsync()
    {
        if (_guru is { } guru)
        {
            await guru.DisposeAsync();
            _log.AddRange(guru.Log);
            _guru = null;
        }
    }

    /// <summary>Runs a command beside it.</summary>
    public Task<(int ExitCode, IReadOnlyCollection<string> Log)> RunAsync(params string[] command) => GuruProcess.RunAsync(command, OpenAI, Twilio, Settings([]), _folder);

    /// <summary>Waits until a query gives these rows.</summary>
    public async Task UntilAsync(string sql, params string[] rows)
    {
        IReadOnlyList<string> found = [];
        for (var started = Stopwatch.GetTimestamp(); !found.SequenceEqual(rows, StringComparer.Ordinal); await Task.Delay(50))
        {
            Stopwatch.GetElapsedTime(started).ShouldBeLessThan(Limit, $"{sql}: {string.Join(", ", found)}");
            found = await Database.RowsAsync(sql);
        }
    }

    public async ValueTask DisposeAsync()
    {
        await StopAsync();
        await Twilio.DisposeAsync();
        await OpenAI.DisposeAsync();
        await Database.DisposeAsync();
        await _server.DisposeAsync();
        World.DeleteCluster(DatabaseFolder);
        Directory.Delete(_folder, recursive: true);
    }

    private Dictionary<string, string> Settings(IEnumerable<(string Name, string Value)> settings)
    {
        var all = new Dictionary<string, string>(StringComparer.Ordinal)
        {
            ["DATABASE_URL"] = DatabaseUrl,
            ["GURU_SECRET"] = World.Secret,
            ["Guru__Work__PollSeconds"] = "0.1",
            ["Guru__Messages__ListDelaySeconds"] = "0.1",
        };
        foreach (var (name, value) in settings)
        {
            all[name] = value;
        }

        return all;
    }
}

/// <summary>What somebody said, wrote or is called: it can be looked for wherever it may have been put down.</summary>
internal sealed partial class Marks(params IReadOnlyList<string> marks)
{
    /// <summary>The tables that hold a mark, as text or as bytes.</summary>
    public async Task<IReadOnlyList<string>> InTablesAsync(NpgsqlDataSource database)
    {
        var patterns = string.Join('|', marks.Concat(marks.Select(mark => Convert.ToHexStringLower(Encoding.UTF8.GetBytes(mark)))));
        var marked = new List<string>();
        foreach (var table in await database.RowsAsync("select schemaname || '.' || tablename from pg_tables where schemaname not in ('pg_catalog', 'information_schema')"))
        {
            var found = await database.RowsAsync($"select t::text from {table} t where t::text ~* '{patterns}' limit 1");
            marked.AddRange(found.Select(_ => table));
        }

        return marked;
    }

    public async Task ShouldBeInNoFileOfAsync(string folder)
    {
        foreach (var file in Directory.GetFiles(folder, "*", SearchOption.AllDirectories))
        {
            In(Encoding.Latin1.GetString(await ReadAsync(file))).ShouldBeEmpty(file);
        }
    }

    /// <param name="log">Of which every line was kept.</param>
    public void ShouldBeInNoLineOf(IReadOnlyCollection<string> log)
    {
        log.Count.ShouldBeLessThan(GuruProcess.MostLines, "More than that is not kept, and could not be searched.");
        log.Where(line => In(Readable(line)).Any()).ShouldBeEmpty();
    }

    public IEnumerable<string> In(string text) => marks.Where(mark => text.Contains(mark, StringComparison.OrdinalIgnoreCase));

    /// <summary>What JSON escapes, such as letters with accents.</summary>
    private static string Readable(string line) => Escaped().Replace(line, escaped => ((char)Convert.ToUInt16(escaped.Groups["unit"].Value, 16)).ToString());

    [GeneratedRegex(@"\\u(?<unit>[0-9A-Fa-f]{4})", RegexOptions.None, matchTimeoutMilliseconds: 1000)]
    private static partial Regex Escaped();

    /// <summary>Reads also what a node has locked for itself, such as its journal: .NET would ask for a lock of its own.</summary>
    private static async Task<byte[]> ReadAsync(string path)
    {
        using var cat = Process.Start(new ProcessStartInfo("cat", [path]) { RedirectStandardOutput = true, UseShellExecute = false })!;
        using var bytes = new MemoryStream();
        await cat.StandardOutput.BaseStream.CopyToAsync(bytes);
        await cat.WaitForExitAsync();
        cat.ExitCode.ShouldBe(0);
        return bytes.ToArray();
    }
}
