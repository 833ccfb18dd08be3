using System.Globalization;
using System.Net;
using Guru.Sandbox.Commands;
using Guru.Sandbox.OpenAI;
using Guru.Sandbox.Twilio;

namespace Guru.EndToEnd.Tests;

public sealed class Stopping
{
    [Fact]
    public async Task A_guru_that_is_asked_to_stop_is_not_ready_goes_on_with_its_call_until_the_time_is_over_says_goodbye_answers_the_carrier_writes_all_and_exits_with_zero()
    {
        var drain = TimeSpan.FromSeconds(8);
        await using var openAI = await OpenAIStandIn.StartAsync(new OpenAIStandInOptions { ApiKey = GuruProcess.OpenAIKey });
        await using var twilio = await TwilioStandIn.StartAsync();
        var folder = Directory.CreateTempSubdirectory("guru-stopped-").FullName;
        var guru = await GuruProcess.StartAsync(openAI, twilio, new Dictionary<string, string>(StringComparer.Ordinal)
        {
            ["Guru__Calls__DrainSeconds"] = drain.TotalSeconds.ToString(CultureInfo.InvariantCulture),
            ["Guru__Calls__GoodbyeSeconds"] = "8",
        }, folder);
        twilio.AppUrl = guru.Address;
        using var http = new HttpClient { BaseAddress = guru.Address };
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(60));
        var call = twilio.PlaceCall(new CallOptions
        {
            Script = [new CallerTurn(new AgentFinished(TimeSpan.FromSeconds(3)), new Say("yes-en"))],
            Webhooks = new WebhookFaults { ActionDelay = TimeSpan.FromSeconds(1) }, // A round trip, and a busy carrier.
        });
        await call.WaitForAgentTurnAsync(1, cancellationToken: limit.Token);
        (await ReadinessAsync()).ShouldBe(HttpStatusCode.OK);

        var asked = call.Now;
        var stopping = guru.DisposeAsync().AsTask();
        while (await ReadinessAsync() == HttpStatusCode.OK)
        {
            // The signal is on its way.
        }

        (await ReadinessAsync()).ShouldBe(HttpStatusCode.ServiceUnavailable);
        call.Heard.Count.ShouldBe(1); // The answer is still to come.
        await call.Completion.WaitAsync(limit.Token);
        await stopping;

        guru.ExitCode.ShouldBe(0, string.Join('\n', guru.Log.TakeLast(20)));
        call.Heard.Select(line => (line.Sample.Id, line.Cut)).ShouldBe([("greeting-en", false), ("tell-me-more-en", false), ("farewell-en", false)]);
        (call.Heard[2].StartedAt - asked).ShouldBeGreaterThanOrEqualTo(drain);
        call.Events.Of<StreamEnded>().ShouldHaveSingleItem().CloseCode.ShouldBe(1000);
        call.Events.Of<ProblemLogged>().ShouldBeEmpty();
        call.Events.Of<SentenceSaid>().ShouldHaveSingleItem().Text.ShouldStartWith("We are sorry, we have to end this call now.");
        Directory.EnumerateFiles(Path.Combine(folder, "journal")).ShouldBeEmpty();
        await using (var again = await GuruProcess.StartAsync(openAI, twilio, dataFolder: folder))
        {
            var record = await CallRecord.WhenCompleteAsync(again.Address, call, openAI);
            record.ShouldTellOf(call);
            record.EndReason.ShouldBe("shuttingDown");
        }

        World.DeleteCluster(folder);

        async Task<HttpStatusCode> ReadinessAsync()
        {
            using var answer = await http.GetAsync(new Uri("/health/ready", UriKind.Relative), limit.Token);
            return answer.StatusCode;
        }
    }

    [Fact]
    public async Task A_guru_that_is_asked_to_stop_while_it_starts_leaves_no_database_running()
    {
        await using var openAI = await OpenAIStandIn.StartAsync(new OpenAIStandInOptions { ApiKey = GuruProcess.OpenAIKey });
        await using var twilio = await TwilioStandIn.StartAsync();
        var folder = Directory.CreateTempSubdirectory("guru-stopped-").FullName;
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(60));
        using var stop = new CancellationTokenSource();
        var starting = GuruProcess.StartAsync(openAI, twilio, dataFolder: folder, cancellationToken: stop.Token);
        var postmaster = Path.Combine(folder, "postgres", "cluster", "postmaster.pid"); // PostgreSQL's own, there for as long as it runs.
        while (!File.Exists(postmaster))
        {
            starting.IsCompleted.ShouldBeFalse();
            limit.Token.ThrowIfCancellationRequested();
            await Task.Yield();
        }

        await stop.CancelAsync();

        await Should.ThrowAsync<OperationCanceledException>(() => starting);
        File.Exists(postmaster).ShouldBeFalse();
        World.DeleteCluster(folder);
    }
}

/// <summary>Two nodes that end calls at once when they are stopped, however the goodbye goes.</summary>
public sealed class NodesInAHurry : Nodes
{
    protected override Dictionary<string, string> Settings => new(base.Settings, StringComparer.Ordinal)
    {
        ["BASE_URL"] = World.PublicAddress,
        ["Guru__Calls__DrainSeconds"] = "0",
        ["Guru__Calls__GoodbyeSeconds"] = "0.2",
    };

    protected override TwilioStandInOptions TwilioOptions => base.TwilioOptions with { AppUrl = new Uri(World.PublicAddress), VerbSpeed = 50 };

    public override async Task InitializeAsync()
    {
        await base.InitializeAsync();
        await AddAsync();
    }
}

public sealed class CutOffByAShutdown(NodesInAHurry world) : IClassFixture<NodesInAHurry>
{
    [Fact]
    public async Task Somebody_hears_why_and_gets_a_message_and_goes_on_in_writing()
    {
        const string Person = "whatsapp:+15550400004";
        var call = world.Twilio.PlaceCall(new CallOptions { From = Person });
        await call.WaitForPlayedAsync(TimeSpan.FromSeconds(1));

        await world.StopAsync();
        await call.Completion;

        call.Events.Of<SentenceSaid>().ShouldHaveSingleItem().Text.ShouldStartWith("We are sorry, we have to end this call now.");
        var record = await CallRecord.WhenCompleteAsync(world.Address, call, world.OpenAI);
        record.ShouldTellOfABrokenAnswer(call);
        record.EndReason.ShouldBe("shuttingDown");
        var greeting = record.Utterances[0];
        greeting.GetProperty("said").GetString()!.Length.ShouldBeGreaterThan(greeting.GetProperty("heard").GetString()!.Length);
        var message = await world.Twilio.WaitForMessageAsync(Person, message => message.Body.StartsWith("Sorry, our call could not go on", StringComparison.Ordinal));

        await world.Twilio.WriteAsync(InboundMessage.Text("My rent went up.") with { From = Person });
        var reply = await world.Twilio.WaitForMessageAsync(Person, sent => sent.Sid != message.Sid);

        reply.Body.ShouldNotBe(message.Body);
        world.Twilio.Rest.Messages.Entries.Count(sent => sent.To == Person && sent.Body == message.Body).ShouldBe(1);
    }
}
