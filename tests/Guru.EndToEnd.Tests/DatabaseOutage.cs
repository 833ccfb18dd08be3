using System.Diagnostics;
using System.Globalization;
using Guru.Infrastructure.Postgres;
using Guru.Sandbox.Twilio;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging.Abstractions;
using Npgsql;

namespace Guru.EndToEnd.Tests;

/// <summary>Guru on a PostgreSQL behind a gate that can be shut, and on a disk that can be full.</summary>
public sealed class WorldWithAGate : World
{
    private const int Connections = 4;

    private readonly string _data = Directory.CreateTempSubdirectory("guru-e2e-db-").FullName;
    private EmbeddedPostgres? _server;

    internal TcpGate Gate { get; private set; } = null!;

    internal FullDisk Disk { get; } = new();

    /// <summary>Past the gate.</summary>
    internal NpgsqlDataSource Database { get; private set; } = null!;

    protected override Dictionary<string, string?> Settings => new()
    {
        ["DATABASE_URL"] = new NpgsqlConnectionStringBuilder(_server!.ConnectionString) { Port = Gate.Port, MaxPoolSize = Connections }.ConnectionString,
        ["GURU_SECRET"] = World.Secret,
    };

    public override async Task InitializeAsync()
    {
        _server = await EmbeddedPostgres.StartAsync(_data, NullLogger.Instance, CancellationToken.None);
        Gate = new TcpGate(new NpgsqlConnectionStringBuilder(_server.ConnectionString).Port, Disk.JoinAsync);
        Database = NpgsqlDataSource.Create(_server.ConnectionString);
        await base.InitializeAsync();
    }

    public override async Task DisposeAsync()
    {
        await base.DisposeAsync();
        await Gate.DisposeAsync();
        await Database.DisposeAsync();
        await _server!.DisposeAsync();
        DeleteCluster(_data);
    }

    /// <summary>How many events of a call are stored.</summary>
    internal async Task<string> StoredAsync(PlacedCall call) =>
        (await Database.RowsAsync($"select count(*) from events.mt_events where stream_id = 'call-{call.CallSid}'")).Single();

    /// <summary>The number of the last event that was written, be it stored or rolled back.</summary>
    internal async Task<long> LastNumberAsync() =>
        long.Parse((await Database.RowsAsync("select last_value from events.mt_events_sequence")).Single(), CultureInfo.InvariantCulture);

    /// <summary>The disk is full, and an append of a call has been refused for it.</summary>
    internal async Task FillDiskAsync(FullAt step, PlacedCall call)
    {
        Disk.At = step;
        await Disk.RefusedAsync(step, $"call-{call.CallSid}");
    }

    /// <summary>Every connection that Guru may have, as if requests held them that do not end.</summary>
    internal async Task<IReadOnlyList<NpgsqlConnection>> TakeConnectionsAsync()
    {
        var pool = Guru.App.Services.GetRequiredService<NpgsqlDataSource>();
        var taken = await Task.WhenAll(Enumerable.Range(0, Connections).Select(_ => pool.OpenConnectionAsync().AsTask()));
        (await Should.ThrowAsync<NpgsqlException>(pool.OpenConnectionAsync().AsTask())).Message.ShouldContain("exhausted");
        return taken;
    }

    /// <summary>SIGKILL for the server; whoever started it starts it again.</summary>
    internal async Task KillServerAsync() => Process.GetProcessById(await ServerAsync()).Kill();

    /// <summary>As an operator stops it: first it takes nobody any more (57P03), then it sends away who is there (57P01).</summary>
    internal async Task StopServerAsync()
    {
        await using var there = await Database.OpenConnectionAsync();
        await using var stays = new NpgsqlCommand("select pg_sleep(600)", there) { CommandTimeout = 0 };
        var sentAway = stays.ExecuteNonQueryAsync();
        using (var stop = Process.Start("kill", ["-TERM", (await ServerAsync()).ToString(CultureInfo.InvariantCulture)]))
        {
            await stop.WaitForExitAsync();
        }

        while (await NewcomerAsync() != PostgresErrorCodes.CannotConnectNow)
        {
            // The signal is on its way.
        }

        await _server!.DisposeAsync();
        (await Should.ThrowAsync<PostgresException>(sentAway)).SqlState.ShouldBe(PostgresErrorCodes.AdminShutdown);
    }

    internal async Task StartServerAsync()
    {
        _server = await EmbeddedPostgres.StartAsync(_data, NullLogger.Instance, CancellationToken.None);
        await Database.DisposeAsync();
        Database = NpgsqlDataSource.Create(_server.ConnectionString);
        Gate.Behind = new NpgsqlConnectionStringBuilder(_server.ConnectionString).Port;
    }

    private async Task<int> ServerAsync()
    {
        var directory = (await Database.RowsAsync("show data_directory")).Single();
        return int.Parse((await File.ReadAllLinesAsync(Path.Combine(directory, "postmaster.pid")))[0], CultureInfo.InvariantCulture);
    }

    /// <returns>Why somebody who comes now is refused; null when they are not.</returns>
    private async Task<string?> NewcomerAsync()
    {
        try
        {
            await using var newcomer = new NpgsqlConnection(new NpgsqlConnectionStringBuilder(_server!.ConnectionString) { Pooling = false }.ConnectionString);
            await newcomer.OpenAsync();
            return null;
        }
        catch (PostgresException refusal)
        {
            return refusal.SqlState;
        }
    }
}

public sealed class DatabaseOutage(WorldWithAGate world) : IClassFixture<WorldWithAGate>
{
    [Fact]
    public async Task A_call_goes_on_without_the_database_and_every_event_of_it_is_stored_afterwards()
    {
        var call = world.Twilio.PlaceCall(new CallOptions
        {
            Script =
            [
                new CallerTurn(new AgentFinished(TimeSpan.FromMilliseconds(400)), new Say("visa-en")),
                new CallerTurn(new AgentSpeaking(TimeSpan.FromSeconds(2)), new Say("itemized-en")),
                new CallerTurn(new AgentFinished(TimeSpan.FromMilliseconds(400)), new Say("thanks-en")),
                new CallerTurn(new AgentFinished(TimeSpan.FromMilliseconds(400)), new HangUp()),
            ],
        });
        await call.WaitForPlayedAsync(TimeSpan.FromSeconds(1));

        world.Gate.Shut();
        await call.WaitForAgentTurnAsync(3);
        world.Gate.Open();

        var record = await world.RecordOf(call);
        record.ShouldTellOf(call);
        record.Utterances.Select(said => said.GetProperty("speaker").GetString())
            .ShouldBe(["agent", "caller", "agent", "caller", "agent", "caller", "agent"]);
        record.EndReason.ShouldBe("callerHungUp");
        record.Utterances.Where(said => said.GetProperty("speaker").GetString() == "agent").Skip(1)
            .ShouldAllBe(said => said.GetProperty("firstAudioMs").GetInt64() < 3000);
    }

    [Fact]
    public async Task A_call_outlives_a_full_disk_a_pool_that_is_used_up_and_a_server_that_is_killed()
    {
        var call = world.Twilio.PlaceCall(new CallOptions
        {
            Script =
            [
                new CallerTurn(new AgentFinished(TimeSpan.FromMilliseconds(400)), new Say("thanks-en")),
                new CallerTurn(new AgentFinished(TimeSpan.FromMilliseconds(400)), new Say("yes-en")),
                new CallerTurn(new AgentFinished(TimeSpan.FromMilliseconds(400)), new Say("thanks-en")),
                new CallerTurn(new AgentFinished(TimeSpan.FromMilliseconds(400)), new HangUp()),
            ],
        });
        await call.WaitForPlayedAsync(TimeSpan.FromSeconds(1));

        string stored;
        try
        {
            await world.FillDiskAsync(FullAt.Write, call);
            (stored, var last) = (await world.StoredAsync(call), await world.LastNumberAsync());
            await world.FillDiskAsync(FullAt.Commit, call);
            (await world.LastNumberAsync()).ShouldBeGreaterThan(last); // All was written, and taken back.
            await call.WaitForAgentTurnAsync(2);
            (await world.StoredAsync(call)).ShouldBe(stored);
        }
        finally
        {
            world.Disk.At = FullAt.Nothing;
        }

        var taken = await world.TakeConnectionsAsync();
        try
        {
            stored = await world.StoredAsync(call);
            await call.WaitForAgentTurnAsync(3);
            (await world.StoredAsync(call)).ShouldBe(stored);
        }
        finally
        {
            await Task.WhenAll(taken.Select(connection => connection.CloseAsync()));
        }

        await world.KillServerAsync();
        await call.Completion;

        var record = await world.RecordOf(call);
        record.ShouldTellOf(call);
        record.EndReason.ShouldBe("callerHungUp");
    }

    [Fact]
    public async Task A_call_that_cannot_be_written_down_hears_an_apology()
    {
        world.Gate.Shut();
        PlacedCall call;
        try
        {
            call = await world.Twilio.PlaceCallAsync(Calls.Greeted);
        }
        finally
        {
            world.Gate.Open();
        }

        call.Events.Of<SentenceSaid>().ShouldNotBeEmpty();
        call.Events.Of<StreamOpened>().ShouldBeEmpty();
        await world.OpenAI.SessionsShouldBeOfCallsOnRecordAsync(world.Analyst);
    }

    [Fact]
    public async Task What_somebody_writes_meanwhile_is_on_record_once_and_answered_when_the_database_is_back()
    {
        const string Person = "whatsapp:+15550500001";
        world.Gate.Shut();
        IReadOnlyList<WrittenMessage> written;
        DateTimeOffset openedAt;
        try
        {
            written = await world.Twilio.WriteBurstAsync([InboundMessage.Text("My rent went up.") with { From = Person }, InboundMessage.Text("Must I pay?") with { From = Person }]);
            await world.Twilio.RedeliverAsync(written[1]);
        }
        finally
        {
            openedAt = DateTimeOffset.UtcNow;
            world.Gate.Open();
        }

        written.SelectMany(message => message.Answers.Entries).Select(answer => answer.Status).ShouldBe([200, 200, 200]);
        var asked = $"select data ->> 'messageSid' from events.mt_events where type = 'message_received' and (data ->> 'at')::timestamptz < '{openedAt:O}' order by seq_id";
        await world.Twilio.WaitForMessageAsync(Person);
        (await world.Database.RowsAsync(asked)).ShouldBe(written.Select(message => message.MessageSid));
    }

    [Fact]
    public async Task A_browsers_call_that_cannot_be_written_down_is_refused_and_does_not_go_on()
    {
        using var webapp = World.ClientFor(World.AddressOf(world.Guru), World.WebappKey);
        using var offer = new StringContent(WebappWorld.Offer, new System.Net.Http.Headers.MediaTypeHeaderValue("application/sdp"));
        world.Gate.Shut();
        try
        {
            using var response = await webapp.PostAsync("/api/voice-agent/calls", offer);

            response.StatusCode.ShouldBe(System.Net.HttpStatusCode.ServiceUnavailable);
            response.Headers.RetryAfter.ShouldNotBeNull();
            world.OpenAI.Calls.Entries.ShouldAllBe(call => call.EndedBy == "hangup");
        }
        finally
        {
            world.Gate.Open();
        }
    }
    [Theory]
    [InlineData("GET", "/api/calls", World.AnalystKey)]
    [InlineData("GET", "/api/export/calls", World.AnalystKey)]
    [InlineData("DELETE", "/api/callers/+15550100001", World.OperatorKey)]
    [InlineData("POST", "/api/voice-agent/tokens", World.WebappKey)]
    [InlineData("POST", "/api/voice-agent/session", World.WebappKey)]
    public async Task Whoever_asks_for_what_only_the_database_knows_is_told_to_ask_again_later(string method, string path, string key)
    {
        using var client = World.ClientFor(World.AddressOf(world.Guru), key);
        world.Gate.Shut();
        HttpResponseMessage response;
        try
        {
            response = await AskAsync();
        }
        finally
        {
            world.Gate.Open();
        }

        response.StatusCode.ShouldBe(System.Net.HttpStatusCode.ServiceUnavailable);
        response.Headers.RetryAfter.ShouldNotBeNull();
        response.Content.Headers.ContentType!.MediaType.ShouldBe("application/problem+json");
        response.Dispose();
        using var later = await AskAsync();
        later.StatusCode.ShouldNotBe(System.Net.HttpStatusCode.ServiceUnavailable);

        async Task<HttpResponseMessage> AskAsync()
        {
            using var request = new HttpRequestMessage(new HttpMethod(method), path);
            request.Content = method == "POST" ? new StringContent("""{"phoneNumber": "+15550100001"}""", new System.Net.Http.Headers.MediaTypeHeaderValue("application/json")) : null;
            return await client.SendAsync(request);
        }
    }
}
