using System.Diagnostics;
using System.Globalization;
using System.Security.Cryptography;
using Guru.Infrastructure.Postgres;
using Npgsql;

namespace Guru.Benchmarks.Appends;

/// <summary>
/// PostgreSQL's own load: transactions of a stream's row and an event's row, in the tables of the plain rows, prepared, with a round trip for each statement.
/// Each client has streams of its own, and writes to them in turn.
/// </summary>
internal sealed class PgBench
{
    private const string Role = "pgbench";
    private const int StreamsOfAClient = 100;

    /// <summary>How the line begins that tells the result.</summary>
    private const string Told = "tps = ";

    private static readonly string Script =
        $$"""
        \set stream random(1, {{StreamsOfAClient}})
        begin;
        update plain.mt_streams set version = version + 1, "timestamp" = now() where id = 'pgbench-' || :client_id || '-' || :stream returning version \gset
        insert into plain.mt_events (seq_id, id, stream_id, version, data, type, mt_dotnet_type) values (nextval('events.mt_events_sequence'), gen_random_uuid(), 'pgbench-' || :client_id || '-' || :stream, :version, jsonb_build_object('text', repeat('x', 180)), 'pgbench', 'pgbench');
        commit;
        """;

    private readonly NpgsqlDataSource _database;
    private readonly string _script;
    private readonly string _password = RandomNumberGenerator.GetHexString(32);

    private PgBench(NpgsqlDataSource database, string script) => (_database, _script) = (database, script);

    /// <param name="directory">Where its script may be written.</param>
    public static async Task<PgBench> CreateAsync(NpgsqlDataSource database, string directory)
    {
        var bench = new PgBench(database, Path.Combine(directory, "append.pgbench"));
        await File.WriteAllTextAsync(bench._script, Script);
        await using var create = database.CreateCommand($"create role {Role} login superuser password '{bench._password}'");
        await create.ExecuteNonQueryAsync();
        return bench;
    }

    /// <returns>Transactions a second; null where pgbench is not installed.</returns>
    public async Task<double?> RunAsync(int clients, int seconds)
    {
        var program = Path.Combine(PostgresBinaries.Find(clusterVersion: null).Directory, "pgbench");
        if (!File.Exists(program))
        {
            return null;
        }

        await using var streams = _database.CreateCommand(
            """
            insert into plain.mt_streams (id, version)
            select 'pgbench-' || client || '-' || stream, 0 from generate_series(0, $1 - 1) client, generate_series(1, $2) stream
            on conflict do nothing
            """);
        streams.Parameters.Add(new() { Value = clients });
        streams.Parameters.Add(new() { Value = StreamsOfAClient });
        await streams.ExecuteNonQueryAsync();

        var server = new NpgsqlConnectionStringBuilder(_database.ConnectionString);
        var start = new ProcessStartInfo(
            program,
            [
                "--no-vacuum", "--protocol=prepared", $"--client={clients}", $"--time={seconds}", $"--file={_script}",
                $"--host={server.Host}", $"--port={server.Port}", $"--username={Role}", server.Database!,
            ])
        {
            RedirectStandardOutput = true,
            UseShellExecute = false,
            Environment = { ["PGPASSWORD"] = _password },
        };
        using var process = Process.Start(start)!;
        var told = await process.StandardOutput.ReadToEndAsync();
        await process.WaitForExitAsync();
        return process.ExitCode == 0 && told.Split('\n').FirstOrDefault(line => line.StartsWith(Told, StringComparison.Ordinal)) is { } line
            ? double.Parse(line.AsSpan(Told.Length, line.IndexOf(' ', Told.Length) - Told.Length), CultureInfo.InvariantCulture)
            : throw new InvalidOperationException($"pgbench ended with {process.ExitCode}: {told}");
    }
}
