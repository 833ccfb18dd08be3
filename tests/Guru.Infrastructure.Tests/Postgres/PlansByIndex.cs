using Guru.Domain;
using Guru.Domain.Calls;
using Guru.Domain.Conversations;
using Guru.Infrastructure.Postgres;
using Npgsql;
using Shouldly;

namespace Guru.Infrastructure.Tests.Postgres;

/// <summary>Whatever the projections ask for, no table is read from one end to the other for it.</summary>
[Collection(PostgresCollection.Name)]
public sealed class PlansByIndex(PostgresFixture postgres) : OnADatabase(postgres)
{
    private static readonly DateTimeOffset At = new(2026, 11, 1, 12, 0, 0, TimeSpan.Zero);

    [Fact]
    public async Task Of_appends()
    {
        await using var connection = await _database.DataSource.OpenConnectionAsync();
        await using var transaction = await connection.BeginTransactionAsync();
        await using (var planning = new NpgsqlCommand($"select {SqlBatch.Planning}", connection))
        {
            await planning.ExecuteNonQueryAsync();
        }

        (await ShouldGoByIndexAsync(connection, TestDatabase.Live.Project)).ShouldBeGreaterThan(40);
    }

    [Fact]
    public async Task Of_rebuilds()
    {
        var parts = TestDatabase.Live.PartsOf(TestDatabase.Live.Tables);
        await using var writers = await RebuildWriters.OpenAsync(_database.DataSource, parts, default);
        await writers.ForEachAsync((shadow, connection) => shadow.CreateAsync(connection, default));

        var statements = 0;
        foreach (var (part, connection) in writers.Parts)
        {
            statements += await ShouldGoByIndexAsync(connection, @event => part.Projections.SelectMany(projection => projection.Project(@event)));
        }

        statements.ShouldBeGreaterThan(40);
    }

    /// <returns>How many statements there were: each once for a single row, and once for several.</returns>
    private static async Task<int> ShouldGoByIndexAsync(NpgsqlConnection connection, Func<ProjectedEvent, IEnumerable<SqlCommand>> project)
    {
        var explained = new HashSet<string>(StringComparer.Ordinal);
        foreach (var command in Events().SelectMany(project))
        {
            foreach (var times in (int[])[1, 2])
            {
                var changes = new SqlBatch();
                changes.Add(Enumerable.Range(0, times).Select(number => command with { Key = $"{number}", StandsBetween = false }));
                await using var batch = new NpgsqlBatch(connection);
                changes.AppendTo(batch);
                var statement = batch.BatchCommands.Cast<NpgsqlBatchCommand>().ShouldHaveSingleItem();
                if (!explained.Add(statement.CommandText))
                {
                    continue;
                }

                statement.CommandText = $"explain {statement.CommandText}";
                await using var reader = await batch.ExecuteReaderAsync();
                var plan = new List<string>();
                while (await reader.ReadAsync())
                {
                    plan.Add(reader.GetString(0));
                }

                plan.ShouldNotContain(line => line.Contains("Seq Scan"), string.Join('\n', plan.Prepend(statement.CommandText)));
            }
        }

        return explained.Count;
    }

    private static IEnumerable<ProjectedEvent> Events()
    {
        foreach (var call in new RandomCalls(1).Take(50))
        {
            foreach (var @event in call.Appends.SelectMany(events => events).Append(new CallErased(At)))
            {
                yield return new ProjectedEvent(Call.StreamId(call.Sid), @event);
            }
        }

        foreach (var conversation in new RandomConversations(1).Take(50))
        {
            IEnumerable<object> events =
            [
                .. conversation.Appends.SelectMany(events => events), new CallerAliased(conversation.Caller, conversation.Caller, At), new CallerErased(conversation.Caller, At),
                .. Enum.GetValues<Retained>().Select(kind => new RetentionApplied(conversation.Caller, kind, At, At)),
            ];
            foreach (var @event in events)
            {
                yield return new ProjectedEvent(Conversation.StreamId(conversation.Caller), @event);
            }
        }
    }
}
