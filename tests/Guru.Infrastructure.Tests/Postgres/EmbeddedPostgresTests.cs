using System.Diagnostics;
using Guru.Infrastructure.Postgres;
using Microsoft.Extensions.Logging.Abstractions;
using Npgsql;
using Shouldly;

namespace Guru.Infrastructure.Tests.Postgres;

public sealed class EmbeddedPostgresTests : IDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);
    private readonly TemporaryDirectory _directory = new();

    private string Cluster => _directory.Sub("data/postgres/cluster");

    public void Dispose() => _directory.Dispose();

    [Fact]
    public async Task The_first_start_makes_a_server_on_loopback_with_a_password_nobody_else_can_read()
    {
        await using var postgres = await StartAsync();

        (await AskAsync(postgres, "show listen_addresses")).ShouldBe("127.0.0.1");
        (await AskAsync(postgres, "show unix_socket_directories")).ShouldBe("");
        (await AskAsync(postgres, "show fsync")).ShouldBe("on");
        (await AskAsync(postgres, "show max_connections")).ShouldBe("200");
        (await AskAsync(postgres, "show server_encoding")).ShouldBe("UTF8");
        (await AskAsync(postgres, "select current_user || '@' || current_database()")).ShouldBe("guru@guru");
        File.GetUnixFileMode(Path.Combine(Cluster, "guru.password")).ShouldBe(UnixFileMode.UserRead | UnixFileMode.UserWrite);

        var guessed = new NpgsqlConnectionStringBuilder(postgres.ConnectionString) { Password = "guru" };
        await using var intruder = new NpgsqlConnection(guessed.ConnectionString);
        (await Should.ThrowAsync<PostgresException>(() => intruder.OpenAsync())).SqlState.ShouldBe(PostgresErrorCodes.InvalidPassword);
    }

    [LinuxFact]
    public async Task An_interrupt_at_the_terminal_does_not_reach_the_server()
    {
        await using var postgres = await StartAsync();

        SessionOf(postgres.ProcessId).ShouldNotBe(SessionOf(Environment.ProcessId));
    }

    [Fact]
    public async Task The_data_is_there_after_a_restart()
    {
        await using (var first = await StartAsync())
        {
            await AskAsync(first, "create table kept as select 1 as one");
        }

        await using var second = await StartAsync();
        (await AskAsync(second, "select one from kept")).ShouldBe(1);
    }

    [Fact]
    public async Task A_second_Guru_on_the_same_directory_is_refused_in_one_line()
    {
        await using var first = await StartAsync();

        var refusal = await Should.ThrowAsync<DataDirectoryInUseException>(StartAsync);

        refusal.Message.ShouldContain(_directory.Sub("data"));
        refusal.Message.ShouldNotContain("\n");
        (await AskAsync(first, "select 1")).ShouldBe(1);
    }

    [Fact]
    public async Task A_server_that_outlived_its_Guru_is_adopted()
    {
        var killed = await StartAsync();
        await AskAsync(killed, "create table kept as select 1 as one");
        await killed.AbandonAsync();

        await using var next = await StartAsync();

        next.ProcessId.ShouldBe(killed.ProcessId);
        next.ConnectionString.ShouldBe(killed.ConnectionString);
        (await AskAsync(next, "select one from kept")).ShouldBe(1);
    }

    [Fact]
    public async Task A_server_that_died_with_its_Guru_is_started_again()
    {
        var killed = await StartAsync();
        await AskAsync(killed, "create table kept as select 1 as one");
        await killed.AbandonAsync();
        Kill(killed.ProcessId);

        await using var next = await StartAsync();

        next.ProcessId.ShouldNotBe(killed.ProcessId);
        (await AskAsync(next, "select one from kept")).ShouldBe(1);
    }

    [Fact]
    public async Task A_pid_file_that_names_another_program_is_not_believed()
    {
        await using (await StartAsync())
        {
        }

        await File.WriteAllTextAsync(Path.Combine(Cluster, Postmaster.FileName), $"{Environment.ProcessId}\n{Cluster}\n1\n1\n\n127.0.0.1\n");

        await using var next = await StartAsync();
        (await AskAsync(next, "select 1")).ShouldBe(1);
    }

    [Fact]
    public async Task A_pid_file_that_names_another_PostgreSQL_does_it_no_harm()
    {
        await using (await StartAsync())
        {
        }

        using var neighbours = new TemporaryDirectory();
        await using var neighbour = await EmbeddedPostgres.StartAsync(neighbours.Sub("data"), NullLogger.Instance, CancellationToken.None);
        await File.WriteAllTextAsync(Path.Combine(Cluster, Postmaster.FileName), $"{neighbour.ProcessId}\n{Cluster}\n1\n1\n\n127.0.0.1\n");

        await using var next = await StartAsync();

        (await AskAsync(next, "select 1")).ShouldBe(1);
        (await AskAsync(neighbour, "select 1")).ShouldBe(1);
        neighbour.ProcessId.ShouldNotBe(next.ProcessId);
    }

    [Fact]
    public async Task A_server_that_hangs_is_replaced()
    {
        var killed = await StartAsync();
        await killed.AbandonAsync();
        await RunAsync("kill", "-STOP", $"{killed.ProcessId}");

        await using var next = await EmbeddedPostgres.StartAsync(
            _directory.Sub("data"), Options with { AnswerWithin = TimeSpan.FromSeconds(1), StopWithin = TimeSpan.FromSeconds(1) },
            NullLogger.Instance, CancellationToken.None);

        next.ProcessId.ShouldNotBe(killed.ProcessId);
        (await AskAsync(next, "select 1")).ShouldBe(1);
    }

    [Fact]
    public async Task A_server_that_dies_while_Guru_runs_comes_back_at_the_same_address()
    {
        await using var postgres = await StartAsync();
        var address = postgres.ConnectionString;

        var died = postgres.ProcessId;

        Kill(died);

        await UntilAnswersAsync(postgres, otherThan: died);
        postgres.ConnectionString.ShouldBe(address);
    }

    [Fact]
    public async Task What_a_killed_first_start_has_left_is_cleared_away()
    {
        await using (await StartAsync())
        {
        }

        var left = _directory.Sub("data/postgres/initdb-killed");
        Directory.CreateDirectory(Path.Combine(left, "cluster"));
        await File.WriteAllTextAsync(Path.Combine(left, "cluster", "PG_VERSION"), "15");

        await using var next = await StartAsync();
        Directory.Exists(left).ShouldBeFalse();
    }

    [RootFact]
    public async Task Where_the_servers_user_may_not_look_the_data_goes_elsewhere_and_a_link_stays()
    {
        TemporaryDirectory.Close(_directory.Path);
        using var refuge = new TemporaryDirectory();
        var elsewhere = Options with { Refuge = refuge.Path };

        await using (var first = await EmbeddedPostgres.StartAsync(_directory.Sub("data"), elsewhere, NullLogger.Instance, CancellationToken.None))
        {
            await AskAsync(first, "create table kept as select 1 as one");
        }

        var link = new DirectoryInfo(_directory.Sub("data/postgres")).LinkTarget;
        link.ShouldNotBeNull();
        Path.GetDirectoryName(link).ShouldBe(refuge.Path);

        await using (var second = await EmbeddedPostgres.StartAsync(_directory.Sub("data"), elsewhere, NullLogger.Instance, CancellationToken.None))
        {
            (await AskAsync(second, "select one from kept")).ShouldBe(1);
        }

        Directory.Delete(link, recursive: true);
        await using var third = await EmbeddedPostgres.StartAsync(_directory.Sub("data"), elsewhere, NullLogger.Instance, CancellationToken.None);
        (await AskAsync(third, "select to_regclass('kept') is null")).ShouldBe(true);
    }

    [RootFact]
    public async Task A_copy_of_the_data_directory_does_not_share_its_server()
    {
        TemporaryDirectory.Close(_directory.Path);
        using var refuge = new TemporaryDirectory();
        var elsewhere = Options with { Refuge = refuge.Path };
        await using var first = await EmbeddedPostgres.StartAsync(_directory.Sub("data"), elsewhere, NullLogger.Instance, CancellationToken.None);

        await RunAsync("cp", "-a", _directory.Sub("data"), _directory.Sub("copy"));

        await Should.ThrowAsync<DataDirectoryInUseException>(
            () => EmbeddedPostgres.StartAsync(_directory.Sub("copy"), elsewhere, NullLogger.Instance, CancellationToken.None));
    }

    [Fact]
    public void Missing_programs_are_told_with_what_to_install()
    {
        var error = Should.Throw<EmbeddedPostgresException>(() => PostgresBinaries.Find(path: _directory.Path, roots: [_directory.Path]));

        error.Message.ShouldContain("apt install postgresql");
        error.Message.ShouldNotContain("\n");
    }

    [Fact]
    public void The_version_that_made_the_data_is_taken_and_else_the_newest()
    {
        foreach (var version in (string[])["9.6", "15", "pgsql-16", "share"])
        {
            foreach (var program in (string[])["initdb", "pg_ctl", "postgres"])
            {
                Directory.CreateDirectory(_directory.Sub($"{version}/bin"));
                File.WriteAllText(_directory.Sub($"{version}/bin/{program}"), "");
            }
        }

        PostgresBinaries.Find(path: "", roots: [_directory.Path]).Directory.ShouldBe(_directory.Sub("pgsql-16/bin"));
        PostgresBinaries.Find(path: "", roots: [_directory.Path], clusterVersion: "15").Directory.ShouldBe(_directory.Sub("15/bin"));
    }

    private static EmbeddedPostgresOptions Options { get; } = new();

    private Task<EmbeddedPostgres> StartAsync() => EmbeddedPostgres.StartAsync(_directory.Sub("data"), NullLogger.Instance, CancellationToken.None);

    private static async Task<object?> AskAsync(EmbeddedPostgres postgres, string sql)
    {
        await using var connection = new NpgsqlConnection(
            new NpgsqlConnectionStringBuilder(postgres.ConnectionString) { Pooling = false }.ConnectionString);
        await connection.OpenAsync();
        await using var command = new NpgsqlCommand(sql, connection);
        return await command.ExecuteScalarAsync();
    }

    private static async Task UntilAnswersAsync(EmbeddedPostgres postgres, int otherThan)
    {
        var watch = Stopwatch.StartNew();
        while (postgres.ProcessId == otherThan)
        {
            try
            {
                await AskAsync(postgres, "select 1");
                watch.Elapsed.ShouldBeLessThan(Patience);
            }
            catch (NpgsqlException) when (watch.Elapsed < Patience)
            {
                await Task.Yield(); // Refused at once while it is away: the connection attempts are the waiting.
            }
        }
    }

    /// <summary>The sixth field; the second is a name in brackets, which may hold blanks.</summary>
    private static string SessionOf(int pid) => File.ReadAllText($"/proc/{pid}/stat").Split(')')[^1].Split(' ')[4];

    private static void Kill(int pid)
    {
        using var process = Process.GetProcessById(pid);
        process.Kill();
    }

    private static async Task RunAsync(string program, params string[] arguments)
    {
        using var process = Process.Start(program, arguments);
        await process.WaitForExitAsync();
        process.ExitCode.ShouldBe(0);
    }
}

/// <summary>Skipped unless the tests run as root.</summary>
[AttributeUsage(AttributeTargets.Method)]
internal sealed class RootFactAttribute : FactAttribute
{
    public RootFactAttribute() => Skip = Environment.IsPrivilegedProcess ? null : "Concerns a Guru that runs as root.";
}

/// <summary>Skipped where there is no /proc.</summary>
[AttributeUsage(AttributeTargets.Method)]
internal sealed class LinuxFactAttribute : FactAttribute
{
    public LinuxFactAttribute() => Skip = OperatingSystem.IsLinux() ? null : "Looks into /proc.";
}
