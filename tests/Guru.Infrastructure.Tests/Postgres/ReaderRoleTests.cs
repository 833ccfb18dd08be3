using Guru.Infrastructure.Postgres;
using Microsoft.Extensions.Logging.Abstractions;
using Npgsql;
using Shouldly;

namespace Guru.Infrastructure.Tests.Postgres;

[Collection(PostgresCollection.Name)]
public sealed class ReaderRoleTests(PostgresFixture postgres) : IAsyncLifetime
{
    private const string Password = "a-password-of-the-tests";
    private readonly string _suffix = Guid.NewGuid().ToString("N");
    private TestDatabase _database = null!;

    private string Reader => $"reader_{_suffix}";

    private string Login => $"bi_{_suffix}";

    public async Task InitializeAsync() => _database = await TestDatabase.NewAsync(postgres);

    public async Task DisposeAsync()
    {
        foreach (var role in (string[])[Login, Reader])
        {
            await _database.ExecuteAsync($"do $$ begin if to_regrole('{role}') is not null then drop owned by {role}; drop role {role}; end if; end $$");
        }

        await _database.DisposeAsync();
    }

    [Fact]
    public async Task It_reads_every_read_model_and_nothing_else()
    {
        await _database.AppendAsync(SampleDatabase.Make(5));
        await using var reader = await LogInAsync();

        foreach (var table in Projections.ReadModels)
        {
            await using var select = reader.CreateCommand($"select count(*) from guru.{table}");
            await select.ExecuteScalarAsync();
        }

        foreach (var refused in (string[])
        [
            "select * from events.mt_events", "select * from guru_keys.keys", "select * from guru.work", "select * from guru.request_keys", "delete from guru.calls",
            "update guru.calls set agent = 'x'", "create table guru.mine (a int)",
            "select guru.append_events('call-CA1', 0, array[gen_random_uuid()], array['x'], array['{}'::jsonb], array['x'], array[]::uuid[])",
        ])
        {
            await using var command = reader.CreateCommand(refused);
            (await Should.ThrowAsync<PostgresException>(async () => await command.ExecuteNonQueryAsync(), refused)).SqlState
                .ShouldBe(PostgresErrorCodes.InsufficientPrivilege, refused);
        }
    }

    [Fact]
    public async Task It_sees_no_phone_number()
    {
        var calls = SampleDatabase.Make(20).ToList();
        await _database.AppendAsync(calls);
        await using var reader = await LogInAsync();

        foreach (var table in Projections.ReadModels)
        {
            await using var command = reader.CreateCommand($"select coalesce(string_agg(t::text, ' '), '') from guru.{table} t");
            ((string)(await command.ExecuteScalarAsync())!).ShouldNotContain("1555010", Case.Sensitive, table);
        }
    }

    [Fact]
    public async Task It_still_reads_after_a_rebuild()
    {
        await using var reader = await LogInAsync();

        await _database.Rebuild.RebuildAsync(progress: null, default);

        await using var command = reader.CreateCommand("select count(*) from guru.calls");
        (await command.ExecuteScalarAsync()).ShouldBe(0L);
    }

    [Fact]
    public async Task Who_may_not_create_roles_goes_on_without_and_grants_once_an_administrator_has()
    {
        await _database.ExecuteAsync($"create role {Login} login password '{Password}'; grant all on schema guru to {Login}");
        await _database.ExecuteAsync($"do $$ declare t text; begin foreach t in array array['{string.Join("','", Projections.ReadModels)}'] loop execute format('alter table guru.%I owner to {Login}', t); end loop; end $$");
        await _database.ExecuteAsync($"alter schema guru owner to {Login}");
        await using var plain = As(Login);
        var role = new ReaderRole(plain, Reader, Projections.ReadModels, NullLogger.Instance);

        await role.EnsureAsync(default);
        (await _database.OneAsync($"select to_regrole('{Reader}') is null")).ShouldBe("True");

        await _database.ExecuteAsync($"create role {Reader} nologin");
        await role.EnsureAsync(default);
        (await _database.OneAsync($"select has_table_privilege('{Reader}', 'guru.utterances', 'select')")).ShouldBe("True");
        await _database.ExecuteAsync($"reassign owned by {Login} to current_user");
    }

    private async Task<NpgsqlDataSource> LogInAsync()
    {
        await new ReaderRole(_database.DataSource, Reader, Projections.ReadModels, NullLogger.Instance).EnsureAsync(default);
        await _database.ExecuteAsync($"create role {Login} login password '{Password}' in role {Reader}");
        return As(Login);
    }

    private NpgsqlDataSource As(string user) => NpgsqlDataSource.Create(
        new NpgsqlConnectionStringBuilder(_database.Url) { Username = user, Password = Password, Pooling = false });
}
