using Guru.Domain.Callers;
using Guru.Domain.Calls;
using Guru.Domain.Conversations;
using Guru.Infrastructure.Postgres;
using Guru.Infrastructure.Tests.Postgres;
using Marten;

namespace Guru.Infrastructure.Marten.Tests;

/// <summary>One database that both editions have open, each as a node of its own.</summary>
public sealed class MartenDatabase : IAsyncDisposable
{
    private readonly TestDatabase _marten;
    private readonly MartenTables _tables;

    private MartenDatabase(TestDatabase @default, EventTypes types, Upcasters upcasters)
    {
        Default = @default;
        _marten = @default.AnotherNode(types, upcasters);
        Documents = MartenStore.Open(_marten.DataSource, types, upcasters);
        _tables = new MartenTables(Documents, _marten.DataSource);
        Store = new MartenEventStore(Documents, _tables, _marten.DataSource, _marten.Serializer, _marten.Keys, TestDatabase.Live);
        Rebuild = new Rebuild(_marten.DataSource, Store, _marten.Keys, TestDatabase.Live);
    }

    public TestDatabase Default { get; }

    public IDocumentStore Documents { get; }

    public MartenEventStore Store { get; }

    public Rebuild Rebuild { get; }

    public static async Task<MartenDatabase> NewAsync(PostgresFixture postgres)
    {
        var database = await BareAsync(postgres);
        await database.StartAsync();
        return database;
    }

    /// <summary>As the default edition laid it out; the Marten edition has not been started on it.</summary>
    public static async Task<MartenDatabase> BareAsync(PostgresFixture postgres) =>
        new(await TestDatabase.NewAsync(postgres), EventTypes.Shipped, Upcasters.Shipped);

    /// <summary>As the host does before it serves.</summary>
    public Task StartAsync() => new MartenStart(_tables, Store).StartAsync(CancellationToken.None);

    public MartenDatabase AnotherNode(Upcasters upcasters) => new(Default.AnotherNode(), EventTypes.Shipped, upcasters);

    public Application.IEventStore StoreOf(Edition edition) => edition == Edition.Marten ? Store : Default.Store;

    public Task<long> RebuildWithAsync(Edition edition) =>
        (edition == Edition.Marten ? Rebuild : Default.Rebuild).RebuildAsync(progress: null, CancellationToken.None);

    public async Task<Dictionary<string, List<string>>> ReadModelsAsync()
    {
        var tables = new Dictionary<string, List<string>>();
        foreach (var table in TestDatabase.Live.Tables)
        {
            tables[table] = await Default.DumpAsync(table);
        }

        tables["work"] = await Default.RowsAsync("select id, kind, caller_id, subject, due_at from guru.work order by id collate \"C\"");
        return tables;
    }

    public async ValueTask DisposeAsync()
    {
        Documents.Dispose();
        await _marten.DisposeAsync();
        await Default.DisposeAsync();
    }
}

public enum Edition
{
    Default,
    Marten,
}

/// <summary>Appends as they come in a day: calls and conversations take turns.</summary>
internal static class RandomDay
{
    public static IEnumerable<(string StreamId, CallerId Caller, IReadOnlyList<object> Events)> Appends(int seed, int calls)
    {
        foreach (var (call, conversation) in new RandomCalls(seed).Take(calls).Zip(new RandomConversations(seed).Take(calls)))
        {
            foreach (var events in call.Appends)
            {
                yield return (Call.StreamId(call.Sid), call.Caller, [.. events]);
            }

            foreach (var events in conversation.Appends)
            {
                yield return (Conversation.StreamId(conversation.Caller), conversation.Caller, [.. events]);
            }
        }
    }
}
