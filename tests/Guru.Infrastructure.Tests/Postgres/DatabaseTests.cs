using System.Diagnostics;
using System.Text.RegularExpressions;
using Guru.Application;
using Guru.Application.Calls;
using Guru.Domain.Callers;
using Guru.Domain.Calls;
using Guru.Infrastructure.Postgres;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Diagnostics.HealthChecks;
using Microsoft.Extensions.Logging.Abstractions;
using Npgsql;
using Shouldly;

namespace Guru.Infrastructure.Tests.Postgres;

[Collection(PostgresCollection.Name)]
public sealed class DatabaseTests(PostgresFixture postgres)
{
    private const string Nowhere = "postgres://nobody@127.0.0.1:1/guru";

    [Fact]
    public async Task A_server_that_is_given_is_migrated_and_used()
    {
        await using var database = await OpenAsync(await postgres.NewDatabaseAsync(migrated: false));
        database.IsEmbedded.ShouldBeFalse();

        await CarriesACallAsync(database);
    }

    [Fact]
    public async Task Without_a_server_Guru_brings_its_own()
    {
        using var directory = new TemporaryDirectory();
        await using var database = await Database.OpenAsync(
            new DatabaseOptions { DataDirectory = directory.Sub("data") }, NullLoggerFactory.Instance, CancellationToken.None);
        database.IsEmbedded.ShouldBeTrue();

        await CarriesACallAsync(database);
    }

    [Fact]
    public async Task A_server_that_is_not_there_is_waited_for_only_so_long() =>
        (await Should.ThrowAsync<DatabaseException>(() => OpenAsync(Nowhere, wait: TimeSpan.FromMilliseconds(600)))).InnerException.ShouldBeOfType<NpgsqlException>();

    [Fact]
    public async Task A_server_that_refuses_is_not_waited_for()
    {
        var url = new NpgsqlConnectionStringBuilder(await postgres.NewDatabaseAsync(migrated: false)) { Password = "wrong" };
        var watch = Stopwatch.StartNew();

        (await Should.ThrowAsync<DatabaseException>(() => OpenAsync(url.ConnectionString, wait: TimeSpan.FromMinutes(1))))
            .InnerException.ShouldBeOfType<PostgresException>().SqlState.ShouldBe(PostgresErrorCodes.InvalidPassword);

        watch.Elapsed.ShouldBeLessThan(TimeSpan.FromSeconds(30));
    }

    [Theory]
    [InlineData("Host=guru.invalid", "the server at guru.invalid:* is not known by that name: correct the host.")]
    [InlineData("Port=1", "the server at *:1 does not listen: start it, or correct the host and the port.")]
    [InlineData("Password=hunter2", "the server at *:* refuses the user guru (*): correct the user and the password.")]
    [InlineData("Database=elsewhere", "the server at *:* has no database elsewhere: correct the name, or make it: createdb * elsewhere")]
    [InlineData("Username=stranger", "the server at *:* keeps the user stranger from what Guru needs in the database * (*): *: grant all on database * to stranger")]
    public async Task What_is_wrong_with_a_server_is_told_with_its_place_and_a_remedy_and_without_a_password(string wrong, string told)
    {
        var own = await postgres.NewDatabaseAsync(migrated: false);
        await ExecuteAsync(own, "do $$ begin create role stranger login; exception when duplicate_object then null; end $$");
        await ExecuteAsync(own, $"alter role stranger password '{new NpgsqlConnectionStringBuilder(own).Password}'");

        var message = (await Should.ThrowAsync<DatabaseException>(() => OpenAsync($"{own};{wrong}", wait: TimeSpan.Zero))).Message;

        message.ShouldMatch($"^{Regex.Escape("DATABASE_URL: " + told).Replace("\\*", ".+", StringComparison.Ordinal)}$");
        message.ShouldNotContain(new NpgsqlConnectionStringBuilder($"{own};{wrong}").Password!);
    }

    [Fact]
    public async Task A_database_in_another_encoding_than_UTF_8_is_refused_and_left_as_it_is()
    {
        var own = await postgres.NewDatabaseAsync(migrated: false);
        await ExecuteAsync(own, "create database latin template template0 encoding 'LATIN1' locale 'C'");
        var latin = $"{own};Database=latin";

        var message = (await Should.ThrowAsync<DatabaseException>(() => OpenAsync(latin))).Message;

        message.ShouldStartWith("DATABASE_URL: the database latin of the server at ");
        message.ShouldEndWith(" has the encoding LATIN1, and Guru needs UTF8: name another, made with: createdb --encoding=UTF8 --template=template0 latin");
        await using var untouched = NpgsqlDataSource.Create(latin);
        await using var schemas = untouched.CreateCommand("select count(*) from pg_namespace where nspname = 'guru'");
        (await schemas.ExecuteScalarAsync()).ShouldBe(0L);
    }

    [Fact]
    public async Task A_server_that_is_away_or_too_slow_may_answer_later_and_one_that_refuses_will_not()
    {
        await using var away = Database.DataSourceFor(Nowhere);
        await using var here = Database.DataSourceFor(await postgres.NewDatabaseAsync(migrated: false));

        Database.DoesNotAnswer(await FailureAsync(away, "select 1")).ShouldBeTrue();
        Database.DoesNotAnswer(await FailureAsync(here, "select pg_sleep(60)")).ShouldBeTrue();
        Database.DoesNotAnswer(await FailureAsync(here, "select 1 / 0")).ShouldBeFalse();

        static async Task<Exception> FailureAsync(NpgsqlDataSource source, string sql)
        {
            await using var command = source.CreateCommand(sql);
            command.CommandTimeout = 1;
            return await Should.ThrowAsync<Exception>(async () => await command.ExecuteScalarAsync());
        }
    }

    [Theory]
    [InlineData("postgres://guru:hunter2@db/guru", 20)]
    [InlineData("postgres://guru:hunter2@db/guru?Maximum%20Pool%20Size=7", 7)]
    [InlineData("Host=db;Username=guru;Password=hunter2;Maximum Pool Size=33", 33)]
    public async Task A_node_takes_so_many_connections_or_as_many_as_its_address_says(string url, int most)
    {
        await using var dataSource = Database.DataSourceFor(url);

        new NpgsqlConnectionStringBuilder(dataSource.ConnectionString).MaxPoolSize.ShouldBe(most);
    }

    private static Task<Database> OpenAsync(string url, TimeSpan? wait = null) => Database.OpenAsync(
        new DatabaseOptions { Url = url, DataDirectory = "not used", WaitForServer = wait ?? TimeSpan.FromSeconds(30) },
        NullLoggerFactory.Instance, CancellationToken.None);

    private static async Task ExecuteAsync(string url, string sql)
    {
        await using var database = NpgsqlDataSource.Create(url);
        await using var command = database.CreateCommand(sql);
        await command.ExecuteNonQueryAsync();
    }

    /// <summary>Composed as the host composes it.</summary>
    private static async Task CarriesACallAsync(Database database)
    {
        await using var services = new ServiceCollection().AddPostgres(database, TestDatabase.Prices).BuildServiceProvider();
        var sid = CallSid.Parse("CA00000000000000000000000000000001");
        var started = new CallStarted(
            sid, CallerId.Parse("0123456789abcdef0123456789abcdef"), "+15550100001", CallChannel.Whatsapp, CallDirection.Inbound, Language: null,
            StreamTokenHash: null, new DateTimeOffset(2026, 3, 4, 12, 0, 0, TimeSpan.Zero));

        await services.GetRequiredService<IEventStore>()
            .AppendAsync(Call.StreamId(sid), ExpectedVersion.None, started.CallerId, [started], CancellationToken.None);

        (await services.GetRequiredService<ICallQueries>().FindAsync(sid, CancellationToken.None)).ShouldNotBeNull().Status.ShouldBe(CallStatus.Ringing);
        (await services.GetRequiredService<Rebuild>().RebuildAsync(progress: null, CancellationToken.None)).ShouldBe(1);
        (await services.GetRequiredService<PostgresHealth>().CheckHealthAsync(new HealthCheckContext(), CancellationToken.None))
            .Status.ShouldBe(HealthStatus.Healthy);
    }
}
