using Guru.Application.Privacy;
using Guru.Domain.Callers;
using Guru.Infrastructure.Postgres;
using Guru.Infrastructure.Privacy;
using Guru.Infrastructure.Tests.Postgres;
using Microsoft.Extensions.Logging.Abstractions;
using Shouldly;

namespace Guru.Infrastructure.Tests.Privacy;

/// <summary>With the commands of docs/privacy.md, as they stand there.</summary>
[Collection(PostgresCollection.Name)]
public sealed class PuttingABackupBack(PostgresFixture postgres) : IAsyncLifetime
{
    private readonly Person _zoe = new("Quetzalcoatl", "+15550734591", new DateTimeOffset(2025, 11, 3, 12, 0, 0, TimeSpan.Zero));
    private readonly Person _amy = new("Popocatepetl", "+15550734592", new DateTimeOffset(2025, 11, 3, 12, 0, 0, TimeSpan.Zero));
    private readonly TemporaryDirectory _directory = new();
    private readonly Shelf _shelf = new();
    private TestDatabase _database = null!;

    private DocumentedBackup Backup => new(_directory.Path);

    public async Task InitializeAsync()
    {
        _database = await TestDatabase.NewAsync(postgres);
        await _zoe.LeaveMarksAsync(_database);
        await _amy.LeaveMarksAsync(_database);
    }

    public async Task DisposeAsync()
    {
        await _database.DisposeAsync();
        _directory.Dispose();
    }

    [Fact]
    public async Task Brings_nobody_back_who_was_erased_since_though_the_keys_were_put_back_too()
    {
        await Backup.TakeAsync(_database.Url);
        using var list = List("node-1");
        await ForgetAsync(list);
        await using var restored = TestDatabase.Of(await postgres.NewDatabaseAsync(migrated: false));
        await Backup.PutBackAsync(restored.Url);
        (await _zoe.FoundAsync(restored)).ShouldContain($"{_zoe.Conversation}: MessageReceived");

        await Follower(restored, List("node-2")).RestoreAsync(default);

        await ShouldBeForgottenAsync(restored);
        _shelf.Erased.ShouldBe([(_zoe.Id, _zoe.Call.Value), (_zoe.Id, _zoe.Call.Value)]);
        await Follower(restored, List("node-2")).RestoreAsync(default);
        (await restored.OneAsync("select count(*) from events.mt_events where type = 'caller_erased'")).ShouldBe("1");
    }

    [Fact]
    public async Task Brings_nobody_back_where_the_keys_alone_are_older_than_the_erasing()
    {
        await Backup.TakeAsync(_database.Url);
        File.Move(_directory.Sub("guru-keys.dump"), _directory.Sub("older"));
        using var list = List("node-1");
        await ForgetAsync(list);
        await Backup.TakeAsync(_database.Url);
        File.Move(_directory.Sub("older"), _directory.Sub("guru-keys.dump"), overwrite: true);
        await using var restored = TestDatabase.Of(await postgres.NewDatabaseAsync(migrated: false));
        await Backup.PutBackAsync(restored.Url);
        (await _zoe.FoundAsync(restored)).ShouldContain($"{_zoe.Conversation}: MessageReceived");

        await Follower(restored, list).RestoreAsync(default);

        await ShouldBeForgottenAsync(restored);
    }

    [Fact]
    public async Task Needs_no_role_of_the_server_it_comes_from_and_brings_nothing_of_a_rebuild_that_was_under_way()
    {
        var (role, shadow) = ($"reader_{Guid.NewGuid():N}", $"{RebuildPart.Schemas}_calls");
        await _database.ExecuteAsync(
            $"create role {role} nologin; grant usage on schema guru to {role}; create schema {shadow}; create table {shadow}.messages as select * from guru.messages");
        await Backup.TakeAsync(_database.Url);
        await _database.ExecuteAsync($"drop owned by {role}; drop role {role}");
        await using var restored = TestDatabase.Of(await postgres.NewDatabaseAsync(migrated: false));

        await Backup.PutBackAsync(restored.Url);

        (await restored.RowsAsync("select schemaname || '.' || tablename from pg_tables")).ShouldNotContain($"{shadow}.messages");
    }

    [Fact]
    public void Leaves_every_read_model_to_a_rebuild()
    {
        DocumentedBackup.LeftOut.Order(StringComparer.Ordinal).ShouldBe(TestDatabase.Live.Tables.Append("read_models").Order(StringComparer.Ordinal));
    }

    [Fact]
    public async Task Needs_the_list_of_any_one_node_since_each_learns_of_what_the_others_erased()
    {
        await _database.Erasures.EraseAsync(_zoe.Id, isKnownElsewhere: false, default);
        using var other = List("node-2");

        await Follower(_database, other).CatchUpAsync(default);

        _shelf.Erased.ShouldBe([(_zoe.Id, _zoe.Call.Value)]);
        (await other.AllAsync(default)).Select(erasure => erasure.CallerId).ShouldBe([_zoe.Id]);
        var restarted = Follower(_database, other);
        await restarted.RestoreAsync(default);
        await restarted.CatchUpAsync(default);
        _shelf.Erased.Count.ShouldBe(1);
    }

    [Fact]
    public async Task Needs_a_list_that_two_processes_of_a_machine_share_and_each_removes_what_it_keeps_itself()
    {
        using var list = List("node-1");
        var other = Follower(_database, list);
        await other.RestoreAsync(default);
        await ForgetAsync(list);
        _shelf.Erased.Count.ShouldBe(1);

        await other.CatchUpAsync(default);
        await other.CatchUpAsync(default);

        _shelf.Erased.Count.ShouldBe(2);
        (await File.ReadAllLinesAsync(_directory.Sub("erasures/node-1.erasures"))).Length.ShouldBe(1);
    }

    [Fact]
    public async Task Reads_a_list_whose_last_line_was_cut_off()
    {
        using var list = List("node-1");
        var first = new Erasure(_zoe.Id, new DateTimeOffset(2026, 1, 2, 3, 4, 5, TimeSpan.Zero).AddTicks(10));
        await list.AddAsync([first], default);
        await File.AppendAllTextAsync(_directory.Sub("erasures/node-1.erasures"), _amy.Id.Value[..7]);
        await list.AddAsync([first with { CallerId = _amy.Id }], default);

        (await list.OwnAsync(default)).ShouldBe([first, first with { CallerId = _amy.Id }], ignoreOrder: true);
    }

    private async Task ForgetAsync(IErasureList list)
    {
        var erased = await _database.Erasures.EraseAsync(_zoe.Id, isKnownElsewhere: false, default);
        await Follower(_database, list).FinishAsync(new Erasure(_zoe.Id, erased.At), [_zoe.Call.Value], default);
    }

    private async Task ShouldBeForgottenAsync(TestDatabase database)
    {
        (await _zoe.FoundAsync(database)).ShouldBeEmpty();
        var node = database.AnotherNode();
        (await node.Rebuild.IsDueAsync(default)).ShouldBeTrue();
        await node.Rebuild.RebuildAsync(progress: null, default);
        (await node.Rebuild.IsDueAsync(default)).ShouldBeFalse();
        (await _zoe.FoundAsync(database)).ShouldBeEmpty();
        (await _amy.FoundAsync(database)).ShouldContain("guru.messages");
    }

    private ErasureFollower Follower(TestDatabase database, IErasureList list) =>
        new(database.Erasures, list, [_shelf], TimeProvider.System, NullLogger<ErasureFollower>.Instance);

    private ErasureListFile List(string node) => new(_directory.Sub("erasures"), node);

    private sealed class Shelf : IPersonalStore
    {
        public List<(CallerId Caller, string CallSid)> Erased { get; } = [];

        public Task EraseAsync(Erasure erasure, IReadOnlyCollection<string> callSids, CancellationToken cancellationToken)
        {
            Erased.AddRange(callSids.Select(sid => (erasure.CallerId, sid)));
            return Task.CompletedTask;
        }
    }
}
