using System.Diagnostics;
using System.Globalization;
using Guru.Infrastructure.Postgres;
using Guru.Sandbox.Twilio;
using Microsoft.Extensions.Logging.Abstractions;
using Npgsql;

namespace Guru.EndToEnd.Tests;

/// <summary>Guru on a PostgreSQL behind a gate that can be shut.</summary>
public sealed class WorldWithAGate : World
{
    private readonly string _data = Directory.CreateTempSubdirectory("guru-e2e-db-").FullName;
    private EmbeddedPostgres? _server;

    internal TcpGate Gate { get; private set; } = null!;

    /// <summary>Past the gate.</summary>
    internal NpgsqlDataSource Database { get; private set; } = null!;

    protected override Dictionary<string, string?> Settings => new()
    {
        ["DATABASE_URL"] = new NpgsqlConnectionStringBuilder(_server!.ConnectionString) { Port = Gate.Port, MaxPoolSize = 4 }.ConnectionString,
        ["GURU_SECRET"] = "an-invented-secret-of-the-tests",
    };

    public override async Task InitializeAsync()
    {
        _server = await EmbeddedPostgres.StartAsync(_data, NullLogger.Instance, CancellationToken.None);
        Gate = new TcpGate(new NpgsqlConnectionStringBuilder(_server.ConnectionString).Port);
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

    internal async Task ExecuteAsync(string sql)
    {
        await using var command = Database.CreateCommand(sql);
        await command.ExecuteNonQueryAsync();
    }

    /// <summary>SIGKILL for the server; whoever started it starts it again.</summary>
    internal async Task KillServerAsync()
    {
        await using var command = Database.CreateCommand("show data_directory");
        var directory = (string)(await command.ExecuteScalarAsync())!;
        var pid = int.Parse((await File.ReadAllLinesAsync(Path.Combine(directory, "postmaster.pid")))[0], CultureInfo.InvariantCulture);
        Process.GetProcessById(pid).Kill();
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

        await world.ExecuteAsync(
            """
            create function public.full_disk() returns trigger language plpgsql as
                $$ begin raise exception 'could not extend file: No space left on device' using errcode = '53100'; end $$;
            create trigger full_disk before insert on events.mt_events for each row execute function public.full_disk();
            """);
        await call.WaitForAgentTurnAsync(2);
        await world.ExecuteAsync("drop trigger full_disk on events.mt_events");

        await using (var holder = await world.Database.OpenConnectionAsync())
        {
            await using var hold = new NpgsqlCommand("begin; lock table events.mt_events in access exclusive mode", holder);
            await hold.ExecuteNonQueryAsync();
            var waiting = Enumerable.Range(0, 8).Select(_ => world.Analyst.GetAsync($"/api/calls/{call.CallSid}/events")).ToList();
            await call.WaitForAgentTurnAsync(3);
            await using var letGo = new NpgsqlCommand("rollback", holder);
            await letGo.ExecuteNonQueryAsync();
            await Task.WhenAll(waiting);
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
