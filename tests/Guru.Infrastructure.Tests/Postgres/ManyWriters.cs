using System.Collections.Concurrent;
using System.Diagnostics;
using System.Globalization;
using System.Text.Json;
using Guru.Application;
using Guru.Domain.Callers;
using Guru.Domain.Calls;
using Guru.Domain.Conversations;
using Guru.Infrastructure.Postgres;
using Microsoft.Extensions.Logging.Abstractions;
using Npgsql;
using Shouldly;

namespace Guru.Infrastructure.Tests.Postgres;

/// <summary>Many appends at once, so that they go together: the log must be what each writer was told, and the read models what a rebuild makes of it.</summary>
[Collection(RebuildingCollection.Name)]
public sealed class ManyWriters(PostgresFixture postgres) : IDisposable
{
    private const int Writers = 24;
    private const int Shared = 6;
    private static readonly string TooLong = TooLongForAnIndex();
    private readonly TemporaryDirectory _directory = new();
    private readonly ConcurrentDictionary<string, List<object>> _expected = new(StringComparer.Ordinal);

    /// <summary>Ids of utterances that may be on record: their writers were not told.</summary>
    private readonly ConcurrentDictionary<string, bool> _untold = new(StringComparer.Ordinal);

    private int _conflicts;
    private int _refused;
    private int _appends;

    public void Dispose() => _directory.Dispose();

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public async Task Each_is_told_what_became_of_its_own(int seed)
    {
        await using var database = await TestDatabase.NewAsync(postgres);

        await Task.WhenAll(Enumerable.Range(0, Writers).Select(writer => Task.Run(() => writer % 3 == 0
            ? ContendAsync(database.Store, seed, writer)
            : WriteAsync(database.Store, seed, writer))));

        _conflicts.ShouldBeGreaterThan(0);
        _refused.ShouldBeGreaterThan(0);
        await ShouldBeOnRecordAsync(database);
        var transactions = int.Parse(await database.OneAsync("select count(distinct xmin::text) from events.mt_events"), CultureInfo.InvariantCulture);
        transactions.ShouldBeLessThan(_appends); // They did go together.
        await ShouldBeWhatARebuildMakesAsync(database);
    }

    [LinuxFact]
    public async Task Nothing_is_lost_or_doubled_when_the_server_is_killed()
    {
        await using var server = await EmbeddedPostgres.StartAsync(_directory.Sub("data"), NullLogger.Instance, CancellationToken.None);
        await using var database = TestDatabase.Of(server.ConnectionString);
        await new Migrator(database.DataSource, Migration.Shipped, NullLogger.Instance).MigrateAsync(CancellationToken.None);
        var killed = 0;
        var writing = Task.WhenAll(Enumerable.Range(0, Writers).Select(writer => Task.Run(() => RecordAsync(database.Store, writer, stored =>
        {
            if (stored == 8 && Interlocked.Exchange(ref killed, 1) == 0)
            {
                using var postmaster = Process.GetProcessById(server.ProcessId);
                postmaster.Kill();
            }
        }))));

        await writing;

        killed.ShouldBe(1);
        await ShouldBeOnRecordAsync(database);
        await ShouldBeWhatARebuildMakesAsync(database);
    }

    /// <summary>Calls and conversations of its own, as they may go; some of their callers are other writers' too.</summary>
    private async Task WriteAsync(IEventStore store, int seed, int writer)
    {
        var calls = new RandomCalls((seed * 1_000) + writer).Take(6).Select(call => (Call.StreamId(call.Sid), call.Caller, call.Appends.Select(events => events.Cast<object>().ToList())));
        foreach (var (streamId, caller, appends) in calls)
        {
            var version = 0L;
            foreach (var events in appends)
            {
                version = await store.AppendAsync(streamId, ExpectedVersion.Exactly(version), caller, events, default);
                Told(streamId, version, events);
            }
        }

        foreach (var conversation in new RandomConversations((seed * 1_000) + writer).Take(2))
        {
            var streamId = Conversation.StreamId(conversation.Caller);
            foreach (var events in conversation.Appends)
            {
                List<object> some = [.. events];
                Told(streamId, await store.AppendAsync(streamId, ExpectedVersion.Any, conversation.Caller, some, default), some);
            }
        }
    }

    /// <summary>Streams that others write to as well, at the version last seen, with what cannot be stored and what is cancelled in between.</summary>
    private async Task ContendAsync(IEventStore store, int seed, int writer)
    {
        var random = new Random((seed * 1_000) + writer);
        var versions = new long[Shared];
        for (var number = 0; number < 60; number++)
        {
            var (shared, id) = (random.Next(Shared), $"w{writer}-{number}");
            var (streamId, caller) = (Call.StreamId(SidOf(shared)), CallerOf(shared));
            List<object> events = [Said(random.Next(8) == 0 ? TooLong : id), Said($"{id}b")];
            using var cancelled = new CancellationTokenSource();
            if (random.Next(6) == 0)
            {
                _untold[id] = true;
                cancelled.CancelAfter(TimeSpan.FromMilliseconds(random.Next(6)));
            }

            try
            {
                versions[shared] = await store.AppendAsync(streamId, ExpectedVersion.Exactly(versions[shared]), caller, events, cancelled.Token);
                _untold.TryRemove(id, out _);
                Told(streamId, versions[shared], events);
            }
            catch (VersionConflictException e)
            {
                e.StreamId.ShouldBe(streamId);
                _untold.TryRemove(id, out _);
                Interlocked.Increment(ref _conflicts);
                versions[shared] = (await store.ReadAsync(streamId, 1, default)).Count;
            }
            catch (EventsRefusedException)
            {
                ((UtteranceTranscribed)events[0]).UtteranceId.ShouldBe(TooLong);
                _untold.TryRemove(id, out _);
                Interlocked.Increment(ref _refused);
            }
            catch (OperationCanceledException) when (cancelled.IsCancellationRequested)
            {
            }
        }
    }

    /// <summary>A call as its recorder writes it: whatever happens, until it is on record.</summary>
    private async Task RecordAsync(IEventStore store, int writer, Action<int> stored)
    {
        var (streamId, caller) = (Call.StreamId(SidOf(writer)), CallerOf(writer));
        for (var number = 0; number < 30;)
        {
            List<object> events = [Said($"w{writer}-{number}")];
            try
            {
                var version = await store.AppendAsync(streamId, ExpectedVersion.Exactly(number), caller, events, default);
                version.ShouldBe(++number);
                Told(streamId, version, events);
                stored(number);
            }
            catch (VersionConflictException)
            {
                // The answer was lost, not the event.
                (await store.ReadAsync(streamId, number + 1, default)).Single().Data.ShouldBe(events[0]);
                Told(streamId, ++number, events);
            }
            catch (NpgsqlException)
            {
                await Task.Yield();
            }
        }
    }

    private void Told(string streamId, long version, List<object> events)
    {
        Interlocked.Increment(ref _appends);
        var known = _expected.GetOrAdd(streamId, _ => []);
        lock (known)
        {
            var first = (int)version - events.Count;
            known.AddRange(Enumerable.Repeat<object>(null!, Math.Max(0, (int)version - known.Count)));
            for (var number = 0; number < events.Count; number++)
            {
                known[first + number].ShouldBeNull(); // Nobody else was told the same place.
                known[first + number] = events[number];
            }
        }
    }

    private async Task ShouldBeOnRecordAsync(TestDatabase database)
    {
        foreach (var (streamId, expected) in _expected)
        {
            var stored = await database.Store.ReadAsync(streamId, 1, default);
            stored.Select(e => e.Version).ShouldBe(Enumerable.Range(1, stored.Count).Select(version => (long)version));
            stored.Select(e => e.Sequence).ShouldBeInOrder();
            stored.Count.ShouldBeGreaterThanOrEqualTo(expected.Count);
            for (var place = 0; place < stored.Count; place++)
            {
                var data = stored[place].Data;
                if (place < expected.Count && expected[place] is { } told)
                {
                    AsStored(data).ShouldBe(AsStored(told));
                }
                else
                {
                    _untold.ShouldContainKey(data.ShouldBeOfType<UtteranceTranscribed>().UtteranceId.TrimEnd('b'));
                }
            }
        }
    }

    /// <summary>Without what no database takes.</summary>
    private static string AsStored(object @event) =>
        JsonSerializer.Serialize(@event, @event.GetType(), EventJson.Options).Replace("\\u0000", "\\uFFFD", StringComparison.OrdinalIgnoreCase);

    private static async Task ShouldBeWhatARebuildMakesAsync(TestDatabase database)
    {
        var live = new Dictionary<string, List<string>>();
        foreach (var table in TestDatabase.Live.Tables)
        {
            live[table] = await database.DumpAsync(table);
        }

        live["utterances"].ShouldNotBeEmpty();
        await database.Rebuild.RebuildAsync(progress: null, CancellationToken.None);
        foreach (var (table, rows) in live)
        {
            (await database.DumpAsync(table)).ShouldBe(rows, table);
        }
    }

    private static CallSid SidOf(int number) => CallSid.Parse($"CA{number:d32}");

    /// <summary>Two calls each.</summary>
    private static CallerId CallerOf(int number) => CallerId.Parse($"{number / 2:x32}");

    private static UtteranceTranscribed Said(string id) => new(
        id, Speaker.Caller, "general", $"said {id[..Math.Min(id.Length, 20)]}", "heard", Interrupted: true, TranscriptionOutcome.Completed,
        StartMs: 0, EndMs: 100, SaidMs: 100, HeardMs: 100, Language: "en", FirstAudioMs: null, FirstHeardMs: null, DateTimeOffset.UnixEpoch);

    private static string TooLongForAnIndex()
    {
        var random = new Random(1);
        return new string([.. Enumerable.Range(0, 20_000).Select(_ => (char)random.Next(0x4E00, 0x9FFF))]);
    }
}
