using System.Collections.Concurrent;
using System.Diagnostics.Metrics;
using System.Net;
using System.Net.Http.Json;
using System.Text.Json;
using Guru.Api.Hosting;
using Guru.Infrastructure.Postgres;
using Guru.Sandbox.OpenAI;
using Guru.Sandbox.Twilio;
using Microsoft.Extensions.Logging.Abstractions;
using Npgsql;

namespace Guru.EndToEnd.Tests;

/// <summary>A database, and Guru on it, which has yet to be started.</summary>
public sealed class BeforeTheStart : IAsyncLifetime
{
    private readonly string _folder = Directory.CreateTempSubdirectory("guru-e2e-warm-").FullName;
    private EmbeddedPostgres _server = null!;

    public NpgsqlDataSource Database { get; private set; } = null!;

    public OpenAIStandIn OpenAI { get; private set; } = null!;

    public TwilioStandIn Twilio { get; private set; } = null!;

    public async Task InitializeAsync()
    {
        _server = await EmbeddedPostgres.StartAsync(_folder, NullLogger.Instance, CancellationToken.None);
        Database = NpgsqlDataSource.Create(_server.ConnectionString);
        OpenAI = await OpenAIStandIn.StartAsync();
        Twilio = await TwilioStandIn.StartAsync();
    }

    public async Task DisposeAsync()
    {
        await Twilio.DisposeAsync();
        await OpenAI.DisposeAsync();
        await Database.DisposeAsync();
        await _server.DisposeAsync();
        World.DeleteCluster(_folder);
    }

    internal Task<GuruHost> OpenAsync() => GuruHost.OpenAsync(
        World.Environment(Twilio, OpenAI, _folder, new() { ["DATABASE_URL"] = _server.ConnectionString, ["GURU_SECRET"] = World.Secret }), CancellationToken.None);

    /// <summary>No key is made until this is disposed; all else goes on.</summary>
    internal async Task<IAsyncDisposable> HoldAsync()
    {
        var holder = await Database.OpenConnectionAsync();
        await using var hold = new NpgsqlCommand("begin; lock table guru_keys.keys in share mode", holder);
        await hold.ExecuteNonQueryAsync();
        return holder;
    }

    /// <summary>The process at the server that somebody waits for.</summary>
    internal async Task<string> HeldAsync()
    {
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(30));
        while (true)
        {
            if (await Database.RowsAsync("select pid from pg_locks where relation = 'guru_keys.keys'::regclass and not granted") is [var process])
            {
                return process;
            }

            await Task.Delay(20, limit.Token);
        }
    }

    internal async Task<string> EventNumberAsync() => (await Database.RowsAsync("select last_value, is_called from events.mt_events_sequence")).Single();

    /// <summary>How many each table has of what is on record, of keys, and of things to do.</summary>
    internal async Task<IReadOnlyList<string>> RowsAsync()
    {
        var tables = await Database.RowsAsync("select schemaname || '.' || tablename from pg_tables where schemaname in ('events', 'guru', 'guru_keys') order by 1");
        return await Database.RowsAsync(string.Join(" union all ", tables.Select(table => $"select '{table}', count(*) from {table}")));
    }
}

public sealed class WarmingUp(BeforeTheStart world) : IClassFixture<BeforeTheStart>
{
    [Fact]
    public async Task Comes_before_readiness_goes_as_far_as_the_event_and_leaves_nothing()
    {
        await using var guru = await world.OpenAsync();
        var (rows, number) = (await world.RowsAsync(), await world.EventNumberAsync());
        using var meter = new MeterOfOne();
        await using (await world.HoldAsync())
        {
            await guru.App.StartAsync();
            var held = await world.HeldAsync();
            (await ReadinessAsync(guru)).ShouldBe((HttpStatusCode.ServiceUnavailable, "Unhealthy", "Healthy"));
            (await world.HeldAsync()).ShouldBe(held); // It has not been given up, which it would be after 5 s.
        }

        await UntilReadyAsync(guru);
        (await world.EventNumberAsync()).ShouldNotBe(number); // Taken once, and not given back.
        (await world.RowsAsync()).ShouldBe(rows);
        world.Twilio.Rest.Messages.Entries.ShouldBeEmpty();
        world.OpenAI.Sessions.Entries.ShouldBeEmpty();
        meter.Told.Where(name => name.StartsWith("guru.calls", StringComparison.Ordinal) || name.StartsWith("guru.store", StringComparison.Ordinal)).ShouldBeEmpty();
        await guru.App.StopAsync();
    }

    [Fact]
    public async Task That_fails_keeps_no_node_from_being_ready()
    {
        await using var guru = await world.OpenAsync();
        await using var held = await world.HoldAsync();
        await guru.App.StartAsync();
        (await world.Database.RowsAsync($"select pg_terminate_backend({await world.HeldAsync()})")).ShouldBe(["True"]); // Before it has given up by itself.
        await UntilReadyAsync(guru);
        await guru.App.StopAsync();
    }

    private static async Task UntilReadyAsync(GuruHost guru)
    {
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(30));
        while ((await ReadinessAsync(guru)).Status != HttpStatusCode.OK)
        {
            limit.Token.ThrowIfCancellationRequested();
        }
    }

    private static async Task<(HttpStatusCode Status, string? WarmUp, string? Database)> ReadinessAsync(GuruHost guru)
    {
        using var http = new HttpClient { BaseAddress = World.AddressOf(guru) };
        using var answer = await http.GetAsync(new Uri("/health/ready", UriKind.Relative));
        var checks = (await answer.Content.ReadFromJsonAsync<JsonElement>()).GetProperty("checks");
        return (answer.StatusCode, StatusOf("warmUp"), StatusOf("database"));

        string? StatusOf(string check) => checks.GetProperty(check).GetProperty("status").GetString();
    }

    /// <summary>Hears what the test and those it has started tell, and not what others of this process do.</summary>
    private sealed class MeterOfOne : IDisposable
    {
        private readonly AsyncLocal<bool> _isOurs = new() { Value = true };
        private readonly MeterListener _listener = new();
        private readonly ConcurrentBag<string> _told = [];

        public MeterOfOne()
        {
            _listener.InstrumentPublished = (instrument, listener) =>
            {
                if (instrument.Meter.Name == "Guru")
                {
                    listener.EnableMeasurementEvents(instrument);
                }
            };
            _listener.SetMeasurementEventCallback<int>((instrument, _, _, _) => Hear(instrument));
            _listener.SetMeasurementEventCallback<double>((instrument, _, _, _) => Hear(instrument));
            _listener.Start();
        }

        public IReadOnlyCollection<string> Told => _told;

        public void Dispose() => _listener.Dispose();

        private void Hear(Instrument instrument)
        {
            if (_isOurs.Value)
            {
                _told.Add(instrument.Name);
            }
        }
    }
}
