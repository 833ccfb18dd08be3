using Guru.Application;
using Guru.Domain.Callers;
using Guru.Domain.Calls;
using Guru.Domain.Conversations;
using Guru.Domain.Costs;
using Guru.Infrastructure.Costs;
using Guru.Infrastructure.Postgres;
using Guru.SampleData;
using Microsoft.Extensions.Logging.Abstractions;
using Npgsql;
using Shouldly;

namespace Guru.Infrastructure.Tests.Postgres;

/// <summary>One PostgreSQL for all tests of a collection, started as Guru starts it, with a migrated database to copy from.</summary>
public sealed class PostgresFixture : IAsyncLifetime
{
    private const string Template = "guru_template";
    private readonly TemporaryDirectory _directory = new();
    private EmbeddedPostgres _server = null!;
    private int _databases;

    public async Task InitializeAsync()
    {
        _server = await EmbeddedPostgres.StartAsync(_directory.Path, NullLogger.Instance, CancellationToken.None);
        await ExecuteAsync("alter system set autovacuum = off"); // Its workers go from database to database, and there will be hundreds.
        await ExecuteAsync("select pg_reload_conf()");
        await ExecuteAsync($"create database {Template}");
        await using var dataSource = Database.DataSourceFor(ConnectionTo(Template, pooling: false));
        await new Migrator(dataSource, Migration.Shipped, NullLogger.Instance).MigrateAsync(CancellationToken.None);
    }

    public async Task DisposeAsync()
    {
        await _server.DisposeAsync();
        _directory.Dispose();
    }

    public async Task<string> NewDatabaseAsync(bool migrated)
    {
        var name = $"test_{Interlocked.Increment(ref _databases)}";
        await ExecuteAsync($"create database {name} template {(migrated ? Template : "template0")}");
        return ConnectionTo(name, pooling: true);
    }

    /// <summary>Tests write from a hundred sides at once, also on a busy machine: they wait longer for one of the pool's connections than a node does.</summary>
    private string ConnectionTo(string database, bool pooling) =>
        new NpgsqlConnectionStringBuilder(_server.ConnectionString) { Database = database, Pooling = pooling, Timeout = 30 }.ConnectionString;

    private async Task ExecuteAsync(string sql)
    {
        await using var connection = new NpgsqlConnection(ConnectionTo("postgres", pooling: false));
        await connection.OpenAsync();
        await using var command = new NpgsqlCommand(sql, connection);
        await command.ExecuteNonQueryAsync();
    }
}

[CollectionDefinition(Name)]
public sealed class PostgresCollection : ICollectionFixture<PostgresFixture>
{
    public const string Name = "PostgreSQL";
}

/// <summary>Beside the others, on a server of their own: tests that make tables anew, which take as long as all others together.</summary>
[CollectionDefinition(Name)]
public sealed class RebuildingCollection : ICollectionFixture<PostgresFixture>
{
    public const string Name = "PostgreSQL, rebuilding";
}

/// <summary>Tests that each begin with a database.</summary>
public abstract class OnADatabase(PostgresFixture postgres) : IAsyncLifetime
{
    private protected TestDatabase _database = null!;

    public async Task InitializeAsync() => _database = await TestDatabase.NewAsync(postgres);

    public async Task DisposeAsync() => await _database.DisposeAsync();
}

/// <summary>Each test has a database of its own, empty but for the migrations.</summary>
public sealed class TestDatabase : IAsyncDisposable
{
    private readonly string _url;

    private TestDatabase(string url, EventTypes types, Upcasters upcasters)
    {
        _url = url;
        DataSource = Database.DataSourceFor(url);
        Keys = new EventKeys(DataSource, TimeProvider.System);
        Serializer = new EventSerializer(types, Keys, upcasters);
        Store = new PostgresEventStore(DataSource, Serializer, Keys, Live);
        Rebuild = new Rebuild(DataSource, Store, Keys, Live);
        Queries = new CallQueries(DataSource, Store, Serializer, Prices);
        Transcripts = new TranscriptQueries(DataSource);
        Analytics = new AnalyticsQueries(DataSource, new PastReadModels(DataSource, Store, Live), Prices, TimeProvider.System);
        Exports = new Exports(DataSource);
        Feed = new EventFeed(DataSource, Store, Serializer, TimeProvider.System, NullLogger<EventFeed>.Instance);
        Conversations = new ConversationQueries(DataSource);
        Work = new PostgresWorkQueue(DataSource, Keys, TimeProvider.System);
        Erasures = new PostgresErasures(DataSource, Store, Keys, Live);
        Retention = new PostgresRetention(DataSource, Store, Keys, TimeProvider.System);
    }

    public static PriceTable Prices { get; } = PricesFile.Load(PricesFile.ShippedPath);

    public static Projections Live { get; } = Projections.Live(Prices);

    public NpgsqlDataSource DataSource { get; }
    public EventKeys Keys { get; }
    public EventSerializer Serializer { get; }
    public PostgresEventStore Store { get; }
    public Rebuild Rebuild { get; }
    internal CallQueries Queries { get; }
    internal TranscriptQueries Transcripts { get; }
    internal AnalyticsQueries Analytics { get; }
    internal Exports Exports { get; }
    internal EventFeed Feed { get; }
    internal ConversationQueries Conversations { get; }
    internal PostgresWorkQueue Work { get; }
    public PostgresErasures Erasures { get; }
    public PostgresRetention Retention { get; }

    public string Url => _url;

    /// <summary>Those that go by how much was said in a day, which the roll-ups tell them.</summary>
    internal async Task<(CallQueries Calls, TranscriptQueries Transcripts)> LookingBackAsync(int fewUtterances)
    {
        using var follower = new RollupFollower(DataSource, TimeProvider.System, NullLogger<RollupFollower>.Instance);
        await follower.CatchUpAsync(CancellationToken.None);
        return (new CallQueries(DataSource, Store, Serializer, Prices, fewUtterances), new TranscriptQueries(DataSource, fewUtterances));
    }

    public static async Task<TestDatabase> NewAsync(PostgresFixture postgres, EventTypes? types = null, Upcasters? upcasters = null) =>
        new(await postgres.NewDatabaseAsync(migrated: true), types ?? EventTypes.Shipped, upcasters ?? Upcasters.Shipped);

    /// <summary>A database that is there already.</summary>
    public static TestDatabase Of(string url) => new(url, EventTypes.Shipped, Upcasters.Shipped);

    /// <summary>As another node sees it: nothing cached.</summary>
    public TestDatabase AnotherNode(EventTypes? types = null, Upcasters? upcasters = null) =>
        new(_url, types ?? EventTypes.Shipped, upcasters ?? Upcasters.Shipped);

    /// <summary>The rows of a query as lines of text, columns parted by tabs.</summary>
    public async Task<List<string>> RowsAsync(string sql)
    {
        await using var command = DataSource.CreateCommand(sql);
        await using var reader = await command.ExecuteReaderAsync();
        var rows = new List<string>();
        while (await reader.ReadAsync())
        {
            rows.Add(string.Join('\t', Enumerable.Range(0, reader.FieldCount).Select(column => reader.IsDBNull(column) ? "" : $"{reader[column]}")));
        }

        return rows;
    }

    public async Task AppendAsync(SampleCall call) =>
        await Store.AppendAsync(call.StreamId, ExpectedVersion.Any, call.CallerId, [.. call.Events], CancellationToken.None);

    public async Task AppendAsync(IEnumerable<SampleCall> calls)
    {
        foreach (var call in calls)
        {
            await AppendAsync(call);
        }
    }

    /// <summary>Each caller's in their order, as they come in between calls and messages, and those of several callers at once.</summary>
    internal Task AppendAsync(IEnumerable<RandomCall> calls, IEnumerable<RandomConversation> conversations)
    {
        var (callsOf, conversationsOf) = (calls.ToLookup(call => call.Caller), conversations.ToLookup(conversation => conversation.Caller));
        return Parallel.ForEachAsync(callsOf.Select(of => of.Key).Union(conversationsOf.Select(of => of.Key)), new ParallelOptions { MaxDegreeOfParallelism = 8 }, AppendOfAsync);

        async ValueTask AppendOfAsync(CallerId caller, CancellationToken cancellationToken)
        {
            var written = new Queue<IReadOnlyList<object>>(conversationsOf[caller].SelectMany(conversation => conversation.Appends));
            foreach (var call in callsOf[caller])
            {
                foreach (var events in call.Appends)
                {
                    await Store.AppendAsync(Call.StreamId(call.Sid), ExpectedVersion.Any, caller, events, cancellationToken);
                    await WriteAsync(most: 2);
                }
            }

            await WriteAsync(most: int.MaxValue);

            async Task WriteAsync(int most)
            {
                for (var count = 0; count < most && written.TryDequeue(out var events); count++)
                {
                    await Store.AppendAsync(Conversation.StreamId(caller), ExpectedVersion.Any, caller, events, cancellationToken);
                }
            }
        }
    }

    public Task<List<string>> DumpAsync(string table) => RowsAsync($"select t::text from guru.{table} t order by t::text collate \"C\"");

    public async Task<string> OneAsync(string sql) => (await RowsAsync(sql)).Single();

    public async Task ExecuteAsync(string sql)
    {
        await using var command = DataSource.CreateCommand(sql);
        await command.ExecuteNonQueryAsync();
    }

    /// <summary>Until something that is under way waits for a lock on a table.</summary>
    public async Task UntilItWaitsForAsync(Task underWay, string table)
    {
        while (await OneAsync($"select exists (select from pg_locks where relation = '{table}'::regclass and not granted and database = (select oid from pg_database where datname = current_database()))") != "True")
        {
            underWay.IsCompleted.ShouldBeFalse();
        }
    }

    public ValueTask DisposeAsync() => DataSource.DisposeAsync();
}
