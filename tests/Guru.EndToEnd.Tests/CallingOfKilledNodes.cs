using System.Net;
using Guru.Sandbox.Commands;
using Guru.Sandbox.Hosting;
using Guru.Sandbox.Twilio;

namespace Guru.EndToEnd.Tests;

/// <summary>Nodes that may call people in Ghana at any hour, and can be killed.</summary>
public sealed class CallingNodes : Nodes
{
    private readonly AnyHour _rules = new();

    protected override TwilioStandInOptions TwilioOptions => Callable.In(base.TwilioOptions);

    protected override Dictionary<string, string> Settings => new(base.Settings, StringComparer.Ordinal) { ["Guru__Calling__RulesPath"] = _rules.Path };

    internal Callable People { get; private set; } = null!;

    public override async Task InitializeAsync()
    {
        await base.InitializeAsync();
        People = new Callable(Twilio, () => Address, GuruProcess.OperatorKey, GuruProcess.AnalystKey);
    }

    public override async Task DisposeAsync()
    {
        await base.DisposeAsync();
        _rules.Dispose();
    }

    internal async Task IsReplacedAsync()
    {
        await KillAsync();
        await AddAsync();
    }
}

/// <summary>Shared, since nothing that one test does to its people is seen by another.</summary>
[CollectionDefinition(nameof(CallingNodes))]
public sealed class CallingNodesCollection : ICollectionFixture<CallingNodes>;

/// <summary>A node is killed between what the rules say and what Twilio does, and another goes on.</summary>
[Collection(nameof(CallingNodes))]
public sealed class CallingOfKilledNodes(CallingNodes nodes)
{
    private readonly Hold _hold = new();

    [Fact]
    public async Task When_the_call_was_placed_and_Twilio_has_not_said_so_it_is_found_and_not_placed_again()
    {
        const string Person = "+233200000041";
        var callerId = await nodes.People.AskedAsync(Person, accepts: true);
        nodes.Twilio.Rest.FailNext(RestFault.Held("Calls", "POST", _hold, executed: true));
        await nodes.People.PostAsync("calls", new { callerId, reason = "your bill" });
        await _hold.WaitAsync();
        await nodes.IsReplacedAsync();

        var ledger = await nodes.People.LedgerWithAsync(callerId, "OutboundCallPlaced");
        Callable.Entry(ledger, "OutboundCallPlaced").GetProperty("callSid").GetString().ShouldBe(nodes.People.CallsTo(Person).ShouldHaveSingleItem().CallSid);
        Callable.Types(ledger).Count(type => type == "OutboundCallPlaced").ShouldBe(1);
    }

    [Fact]
    public async Task When_the_person_takes_the_permission_back_before_Twilio_was_reached_nobody_is_called()
    {
        const string Person = "+233200000042";
        var callerId = await nodes.People.AskedAsync(Person, accepts: true);
        nodes.Twilio.Rest.FailNext(RestFault.Held("Calls", "POST", _hold, executed: false));
        await nodes.People.PostAsync("calls", new { callerId, reason = "your bill" });
        await _hold.WaitAsync();
        await nodes.Twilio.WriteAsync(InboundMessage.CallPermission(accepted: false) with { From = $"whatsapp:{Person}" });
        await nodes.People.LedgerWithAsync(callerId, "CallPermissionDeclined");
        await nodes.IsReplacedAsync();

        var ledger = await nodes.People.LedgerWithAsync(callerId, "OutboundCallRefused");
        Callable.Reasons(Callable.Entry(ledger, "OutboundCallRefused")).ShouldContain("permissionDeclined");
        Callable.Types(ledger).ShouldContain("OutboundCallAllowed", "The node that died had been allowed it.");
        nodes.People.CallsTo(Person).ShouldBeEmpty();
    }

    [Fact]
    public async Task What_was_arranged_with_a_person_is_kept_by_the_next_node()
    {
        const string Person = "+233200000043";
        var callerId = await nodes.People.AskedAsync(Person, accepts: true);
        await nodes.Twilio.WriteAsync(InboundMessage.Text("Please call me right away about my visa.") with { From = $"whatsapp:{Person}" });
        await nodes.People.LedgerWithAsync(callerId, "CallBackProposed");
        nodes.Twilio.Rest.FailNext(RestFault.Held("Calls", "POST", _hold, executed: false)); // A call that had begun would end while nobody hears of it.
        await nodes.Twilio.WriteAsync(InboundMessage.Text("Yes") with { From = $"whatsapp:{Person}" });
        await nodes.People.LedgerWithAsync(callerId, "CallBackConfirmed");
        await _hold.WaitAsync();
        await nodes.IsReplacedAsync();

        await nodes.People.LedgerWithAsync(callerId, "OutboundCallEnded");
        nodes.People.CallsTo(Person).ShouldHaveSingleItem();
    }

    [Fact]
    public async Task The_command_that_makes_the_templates_serves_the_nodes_that_run()
    {
        var (exitCode, log) = await nodes.RunAsync("templates", "create", "--language", "en", "es");

        exitCode.ShouldBe(0, string.Join('\n', log));
        string[] names = ["guru_call_permission_request_en", "guru_call_permission_request_es", "guru_call_us_en", "guru_call_us_es"];
        nodes.Twilio.Contents.Submitted.Entries.Select(submitted => submitted.Name).ShouldBe(names, ignoreOrder: true);
        foreach (var content in nodes.Twilio.Contents.Made.Entries)
        {
            log.ShouldContain(line => line.Contains($"({content.Language}): {content.Sid}, received", StringComparison.Ordinal));
        }

        (await nodes.RunAsync("templates", "create", "--language", "en", "es")).ExitCode.ShouldBe(0);
        nodes.Twilio.Contents.Made.Entries.Count.ShouldBe(names.Length, "What is there is found again.");
        (await nodes.RunAsync("templates", "create", "--language", "tlh")).ExitCode.ShouldNotBe(0);

        (await nodes.People.PostAsync("permissions", new { phoneNumber = "+233200000044" })).Status.ShouldBe(HttpStatusCode.Accepted);
        var sent = await nodes.Twilio.WaitForMessageAsync("whatsapp:+233200000044");
        sent.Parameters["ContentSid"].ShouldBe(nodes.Twilio.Contents.Made.Entries.Single(content => content.FriendlyName == names[0]).Sid);
    }
}
