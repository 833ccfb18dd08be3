using System.Collections.Concurrent;
using Guru.Application.Calling;
using Guru.Application.Calls;
using Guru.Application.Conversations;
using Guru.Application.Work;
using Guru.Domain.Callers;
using Guru.Domain.Calls;
using Guru.Domain.Conversations;
using Guru.Infrastructure.Calling;
using Guru.Infrastructure.Postgres;
using Guru.Infrastructure.Tests.Postgres;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Options;
using Shouldly;

namespace Guru.Infrastructure.Tests.Calling;

/// <summary>Calls are placed by any number of nodes on one PostgreSQL, each of which may die at any step.</summary>
[Collection(PostgresCollection.Name)]
public sealed class PlacingFromSeveralNodes(PostgresFixture postgres) : OnADatabase(postgres)
{
    private const string Address = "+233201234567";
    private static readonly CallerId Ama = CallerId.Parse("0123456789abcdef0123456789abcdef");
    private static readonly CallingTerms Terms = new(
        CallerAddress.Parse("+447700900123"), CallingRulesFile.Load() with { Waking = new WakingHours(TimeSpan.Zero, TimeSpan.FromDays(1)) }, new CallingSettings());

    private readonly Carrier _carrier = new();
    [Fact]
    public async Task Two_nodes_place_one_call()
    {
        await WantedAsync("a");
        var nodes = Enumerable.Range(0, 2).Select(_ => _database.AnotherNode()).ToList();

        await Task.WhenAll(nodes.SelectMany(node => Enumerable.Range(0, 4).Select(_ => WorkAsync(node))));

        _carrier.Calls.Count.ShouldBe(1);
        (await EventsAsync()).OfType<OutboundCallPlaced>().ShouldHaveSingleItem().AllowedBy.ShouldBe("SM1");
        await Task.WhenAll(nodes.Select(node => node.DisposeAsync().AsTask()));
    }

    [Fact]
    public async Task Two_requests_that_are_worked_on_at_once_are_one_call()
    {
        await WantedAsync("a");
        await WantedAsync("b");
        await using var other = _database.AnotherNode();

        await Task.WhenAll(WorkAsync(_database), WorkAsync(other));

        _carrier.Calls.Count.ShouldBe(1);
        (await EventsAsync()).OfType<OutboundCallRefused>().ShouldHaveSingleItem().Reasons.ShouldBe(["callUnderWay"]);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_node_that_dies_at_the_carrier_leaves_no_second_call(bool placed)
    {
        await WantedAsync("a");
        (_carrier.Dies, _carrier.DiesAfterPlacing) = (true, placed);
        await Should.ThrowAsync<InvalidOperationException>(() => WorkAsync(_database));
        (await EventsAsync()).OfType<OutboundCallAllowed>().ShouldHaveSingleItem();
        (await EventsAsync()).OfType<OutboundCallPlaced>().ShouldBeEmpty();

        await TakeOverAsync();

        _carrier.Calls.Count.ShouldBe(1);
        (await EventsAsync()).OfType<OutboundCallPlaced>().ShouldHaveSingleItem().CallSid.ShouldBe(_carrier.Calls.Single());
    }

    [Fact]
    public async Task A_permission_that_is_lost_while_a_node_lies_dead_is_no_permission_for_the_next()
    {
        await WantedAsync("a");
        (_carrier.Dies, _carrier.DiesAfterPlacing) = (true, false);
        await Should.ThrowAsync<InvalidOperationException>(() => WorkAsync(_database));
        await AppendAsync(new AnswerPermission("SM2", Ama, Address, Accepted: false, Permanent: false, Terms.Rules, TimeProvider.System.GetUtcNow()));

        await TakeOverAsync();

        _carrier.Calls.ShouldBeEmpty();
        (await EventsAsync()).OfType<OutboundCallRefused>().ShouldHaveSingleItem().Reasons.ShouldContain("permissionDeclined");
    }

    [Fact]
    public async Task A_node_that_dies_after_the_refusal_leaves_no_call()
    {
        await WantedAsync("a");
        await AppendAsync(new AnswerPermission("SM2", Ama, Address, Accepted: false, Permanent: false, Terms.Rules, TimeProvider.System.GetUtcNow()));
        var item = (await _database.Work.ClaimAsync(TimeSpan.FromMinutes(1), default))!;
        await Placer(_database).RunAsync(item, default); // And never completes it.

        await TakeOverAsync();

        _carrier.Calls.ShouldBeEmpty();
        (await EventsAsync()).OfType<OutboundCallRefused>().Count().ShouldBe(1);
    }

    [Fact]
    public async Task A_key_stands_for_one_request_on_every_node_and_for_nothing_else()
    {
        await using var other = _database.AnotherNode();
        var bound = await Task.WhenAll(Enumerable.Range(0, 20).Select(number =>
            new PostgresRequestKeys((number % 2 == 0 ? _database : other).DataSource).BindAsync(Ama, "key", "content", $"request{number}", default)));

        bound.Distinct().ShouldHaveSingleItem().ShouldNotBeNull();
        (await new PostgresRequestKeys(_database.DataSource).BindAsync(Ama, "key", "other content", "x", default)).ShouldBeNull();
    }

    /// <summary>Somebody has agreed, and is to be called.</summary>
    private async Task WantedAsync(string id)
    {
        var now = TimeProvider.System.GetUtcNow();
        if (id == "a")
        {
            await AppendAsync(new RequestPermission(new CallPermissionRequested("ask", Ama, Address, "HX1", Variables: null, now.AddDays(-2)), Terms.Sender, Terms.Rules));
            await AppendAsync(new AnswerPermission("SM1", Ama, Address, Accepted: true, Permanent: false, Terms.Rules, now.AddDays(-2)));
            await _database.ExecuteAsync("delete from guru.work");
        }

        await AppendAsync(new RequestOutboundCall(
            new OutboundCallRequested(id, Ama, Address, Agent: null, "your appointment", Earliest: null, now.AddHours(1), now.AddSeconds(-1)), Terms.Sender, Terms.Rules));
    }

    private async Task TakeOverAsync()
    {
        await _database.ExecuteAsync("update guru.work set lease_until = now() - interval '1 second', intent_at = intent_at - interval '1 minute'");
        await using var other = _database.AnotherNode();
        await WorkAsync(other);
    }

    /// <summary>Claims and does what is due, until nothing is.</summary>
    private async Task WorkAsync(TestDatabase node)
    {
        var placer = Placer(node);
        while (await node.Work.ClaimAsync(TimeSpan.FromMinutes(1), default) is { } item)
        {
            if (item.Kind == WorkItem.Call)
            {
                await placer.RunAsync(item, default);
            }

            await node.Work.CompleteAsync(item, default);
        }
    }

    private CallPlacer Placer(TestDatabase node) => new(
        node.Store, node.Work, _carrier, Terms,
        new Outbox(
            node.Work, messenger: null!, new PublicAddress("https://guru.example.test"), Options.Create(new MessageRules { ListDelaySeconds = 0 }), Options.Create(new WorkRules()),
            TimeProvider.System), // No message is sent here.
        Options.Create(new WorkRules()), TimeProvider.System, NullLogger<CallPlacer>.Instance);

    private Task AppendAsync(ConversationCommand command) => new ConversationLog(_database.Store, Ama).AppendAsync(command, default);

    private async Task<List<object>> EventsAsync() =>
        [.. (await _database.Store.ReadAsync(Conversation.StreamId(Ama), fromVersion: 1, default)).Select(stored => stored.Data)];

    /// <summary>The carrier's account: what was placed is listed, whoever hears of it.</summary>
    private sealed class Carrier : ICallCarrier
    {
        private readonly ConcurrentQueue<CallSid> _calls = new();

        public IReadOnlyCollection<CallSid> Calls => _calls;

        public bool Dies { get; set; }

        public bool DiesAfterPlacing { get; set; }

        public Task<CallSid> PlaceAsync(CallerAddress to, CancellationToken cancellationToken)
        {
            var sid = CallSid.Parse($"CA{Guid.NewGuid():N}");
            if (!Dies || DiesAfterPlacing)
            {
                _calls.Enqueue(sid);
            }

            if (Dies)
            {
                Dies = false;
                throw new InvalidOperationException("The node dies here.");
            }

            return Task.FromResult(sid);
        }

        public Task<IReadOnlyList<CallSid>> FindPlacedAsync(CallerAddress to, DateTimeOffset since, CancellationToken cancellationToken) =>
            Task.FromResult<IReadOnlyList<CallSid>>([.. _calls.Reverse()]);

        public Task<RecordCallStatus?> TellAsync(CallSid callSid, CancellationToken cancellationToken) => Task.FromResult<RecordCallStatus?>(null);
    }
}
