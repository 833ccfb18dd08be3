using System.Collections.Concurrent;
using Guru.Application;
using Guru.Application.Work;
using Guru.Domain.Callers;
using Guru.Domain.Conversations;
using Shouldly;

namespace Guru.Infrastructure.Tests.Postgres;

[Collection(PostgresCollection.Name)]
public sealed class WorkQueueTests(PostgresFixture postgres) : OnADatabase(postgres)
{
    private const int Claimers = 16;
    private static readonly TimeSpan Minute = TimeSpan.FromMinutes(1);

    /// <summary>Long ago, so that what it makes is due.</summary>
    private static readonly DateTimeOffset Noon = new(2020, 3, 4, 12, 0, 0, TimeSpan.Zero);
    private static readonly CallerId Maria = CallerId.Parse("0123456789abcdef0123456789abcdef");
    private static readonly CallerId Jean = CallerId.Parse("fedcba9876543210fedcba9876543210");
    private int _messages;
    [Fact]
    public async Task Nothing_to_do_is_nothing_to_claim() => (await ClaimAsync()).ShouldBeNull();

    [Fact]
    public async Task A_message_asks_for_a_reply()
    {
        await ReceiveAsync(Maria, Noon);

        var item = (await ClaimAsync())!;

        item.ShouldBe(new WorkItem(
            $"reply:{Maria}", WorkItem.Reply, Maria, Maria.Value, Attempts: 0, Intent: null, IntentAt: null, Round: 1, item.Lease));
        (await ClaimAsync()).ShouldBeNull();
    }

    [Fact]
    public async Task Work_is_added_with_its_event_or_not_at_all()
    {
        await ReceiveAsync(Maria, Noon);

        await Should.ThrowAsync<VersionConflictException>(() => _database.Store.AppendAsync(
            Conversation.StreamId(Maria), ExpectedVersion.None, Maria, [Message(Maria, Noon)], default));

        (await ClaimAsync())!.Round.ShouldBe(1);
    }

    [Fact]
    public async Task A_burst_is_answered_once_and_after_its_last_message()
    {
        for (var second = 0; second < 5; second++)
        {
            await ReceiveAsync(Maria, Noon.AddSeconds(second));
        }

        await ReceiveAsync(Maria, Noon.AddSeconds(2)); // Late from the carrier.

        (await _database.RowsAsync("select round, due_at = '2020-03-04T12:00:05.5Z' from guru.work")).ShouldBe(["6\tTrue"]);
        await _database.Work.CompleteAsync((await ClaimAsync())!, default);
        (await ClaimAsync()).ShouldBeNull();
    }

    [Fact]
    public async Task Who_writes_without_a_pause_is_answered_after_ten_seconds()
    {
        for (var second = 0; second < 30; second++)
        {
            await ReceiveAsync(Maria, Noon.AddSeconds(second));
        }

        (await _database.RowsAsync("select round, due_at = '2020-03-04T12:00:10Z' from guru.work")).ShouldBe(["30\tTrue"]);
    }

    [Fact]
    public async Task What_is_worked_on_is_kept_by_renewing_it()
    {
        await ReceiveAsync(Maria, Noon);
        var item = (await _database.Work.ClaimAsync(TimeSpan.Zero, default))!;

        await _database.Work.RenewAsync(item, Minute, default);

        (await ClaimAsync()).ShouldBeNull();
        await ExpireAsync();
        await ClaimAsync();
        await Should.ThrowAsync<LeaseLostException>(() => _database.Work.RenewAsync(item, Minute, default));
    }

    [Fact]
    public async Task What_is_released_is_there_for_others_and_has_not_failed()
    {
        await ReceiveAsync(Maria, Noon);
        var first = (await ClaimAsync())!;
        await _database.Work.SaveIntentAsync(first, "{}", Minute, default);

        await _database.Work.ReleaseAsync(first, TimeSpan.Zero, default);

        var second = (await ClaimAsync())!;
        (second.Attempts, second.Intent).ShouldBe((0, "{}"));
        await Should.ThrowAsync<LeaseLostException>(() => _database.Work.ReleaseAsync(first, TimeSpan.Zero, default));
        await _database.Work.ReleaseAsync(second, Minute, default);
        (await ClaimAsync()).ShouldBeNull();
    }

    [Fact]
    public async Task What_is_due_or_has_failed_is_counted()
    {
        (await _database.Work.CountAsync(default)).ShouldBeEmpty();
        await ReceiveAsync(Maria, new DateTimeOffset(2100, 1, 1, 0, 0, 0, TimeSpan.Zero));
        await ReceiveAsync(Jean, new DateTimeOffset(2100, 1, 1, 0, 0, 0, TimeSpan.Zero));
        (await _database.Work.CountAsync(default)).ShouldBeEmpty();

        await _database.ExecuteAsync($"update guru.work set due_at = now() - interval '1 hour' where caller_id = '{Maria}'");
        await _database.ExecuteAsync($"update guru.work set attempts = 1 where caller_id = '{Jean}'");

        var count = (await _database.Work.CountAsync(default)).ShouldHaveSingleItem();
        (count.Kind, count.Items).ShouldBe(("reply", 2));
        count.Oldest.ShouldBeInRange(TimeSpan.FromMinutes(60), TimeSpan.FromMinutes(61));
    }

    [Fact]
    public async Task What_is_not_due_waits()
    {
        await ReceiveAsync(Maria, new DateTimeOffset(2100, 1, 1, 0, 0, 0, TimeSpan.Zero));

        (await ClaimAsync()).ShouldBeNull();
    }

    [Fact]
    public async Task What_has_been_due_longest_comes_first()
    {
        await ReceiveAsync(Jean, Noon.AddSeconds(1));
        await ReceiveAsync(Maria, Noon);

        (await ClaimAsync())!.CallerId.ShouldBe(Maria);
        (await ClaimAsync())!.CallerId.ShouldBe(Jean);
    }

    [Fact]
    public async Task A_message_that_comes_while_its_caller_is_answered_is_answered_next()
    {
        await ReceiveAsync(Maria, Noon);
        var first = (await ClaimAsync())!;
        await _database.Work.SaveIntentAsync(first, "{}", Minute, default);
        await ReceiveAsync(Maria, new DateTimeOffset(2100, 1, 1, 0, 0, 0, TimeSpan.Zero));
        (await ClaimAsync()).ShouldBeNull();

        await _database.Work.CompleteAsync(first, default);

        var second = (await ClaimAsync())!;
        (second.Round, second.Attempts, second.Intent, second.IntentAt).ShouldBe((2, 0, null, null));
        await _database.Work.CompleteAsync(second, default);
        (await _database.DumpAsync("work")).ShouldBeEmpty();
    }

    [Fact]
    public async Task A_message_does_not_keep_others_from_taking_over_what_a_dead_node_held()
    {
        await ReceiveAsync(Maria, Noon);
        await ClaimAsync();
        await ReceiveAsync(Maria, new DateTimeOffset(2100, 1, 1, 0, 0, 0, TimeSpan.Zero));

        await ExpireAsync();

        var taken = (await ClaimAsync())!;
        (taken.Round, taken.Attempts).ShouldBe((2, 1));
    }

    [Fact]
    public async Task A_retry_comes_later_and_counts()
    {
        await ReceiveAsync(Maria, Noon);

        await _database.Work.RetryAsync((await ClaimAsync())!, Minute, "rate_limit", default);

        (await ClaimAsync()).ShouldBeNull();
        (await _database.OneAsync("select last_error, due_at between now() + interval '50 s' and now() + interval '60 s' from guru.work"))
            .ShouldBe("rate_limit\tTrue");
        await _database.ExecuteAsync("update guru.work set due_at = now()");
        (await ClaimAsync())!.Attempts.ShouldBe(1);
    }

    [Fact]
    public async Task A_message_does_not_hasten_a_retry()
    {
        await ReceiveAsync(Maria, Noon);
        await _database.Work.RetryAsync((await ClaimAsync())!, Minute, "rate_limit", default);

        await ReceiveAsync(Maria, Noon.AddSeconds(1));

        (await ClaimAsync()).ShouldBeNull();
        (await _database.OneAsync("select round from guru.work")).ShouldBe("2");
    }

    [Fact]
    public async Task A_node_that_dies_holding_an_item_is_followed_by_another_that_knows_what_it_was_about_to_do()
    {
        await ReceiveAsync(Maria, Noon);
        WorkItem held;
        await using (var node = _database.AnotherNode())
        {
            held = (await node.Work.ClaimAsync(Minute, default))!;
            await node.Work.SaveIntentAsync(held, """{"body": "Hello"}""", Minute, default);
        }

        (await ClaimAsync()).ShouldBeNull();
        await ExpireAsync();
        var taken = (await ClaimAsync())!;

        (taken.Id, taken.Attempts, taken.Intent, taken.Round).ShouldBe((held.Id, 1, """{"body": "Hello"}""", 1));
        taken.IntentAt.ShouldNotBeNull();
        await Should.ThrowAsync<LeaseLostException>(() => _database.Work.CompleteAsync(held, default));
        await Should.ThrowAsync<LeaseLostException>(() => _database.Work.RetryAsync(held, Minute, "late", default));
        await Should.ThrowAsync<LeaseLostException>(() => _database.Work.SaveIntentAsync(held, "{}", Minute, default));
        await Should.ThrowAsync<LeaseLostException>(() => _database.Work.SaveIntentAsync(held, null, Minute, default));
        await _database.Work.CompleteAsync(taken, default);
        await Should.ThrowAsync<LeaseLostException>(() => _database.Work.CompleteAsync(taken, default));
    }

    [Fact]
    public async Task A_lease_that_ran_out_is_good_until_somebody_else_has_the_item()
    {
        await ReceiveAsync(Maria, Noon);
        var item = (await _database.Work.ClaimAsync(TimeSpan.Zero, default))!;

        await _database.Work.CompleteAsync(item, default);

        (await _database.DumpAsync("work")).ShouldBeEmpty();
    }

    [Fact]
    public async Task Saving_an_intent_prolongs_the_lease()
    {
        await ReceiveAsync(Maria, Noon);
        var item = (await _database.Work.ClaimAsync(TimeSpan.Zero, default))!;

        await _database.Work.SaveIntentAsync(item, "{}", Minute, default);

        (await ClaimAsync()).ShouldBeNull();
    }

    [Fact]
    public async Task An_intent_can_be_taken_back()
    {
        await ReceiveAsync(Maria, Noon);
        var item = (await ClaimAsync())!;
        await _database.Work.SaveIntentAsync(item, "{}", Minute, default);

        await _database.Work.SaveIntentAsync(item, intent: null, Minute, default);

        await ExpireAsync();
        var taken = (await ClaimAsync())!;
        (taken.Intent, taken.IntentAt).ShouldBe((null, null));
    }

    [Fact]
    public async Task The_words_of_an_intent_are_unreadable_in_the_database_and_survive_a_retry()
    {
        await ReceiveAsync(Maria, Noon);
        var item = (await ClaimAsync())!;

        await _database.Work.SaveIntentAsync(item, """{"body": "Your rent is 900 dollars"}""", Minute, default);

        var row = await _database.OneAsync("select w::text from guru.work w");
        row.ShouldNotContain("rent");
        row.ShouldContain("~");
        (await _database.OneAsync("select month = date_trunc('month', now() at time zone 'UTC') from guru_keys.keys where kind = 'message' and month > '2020-12-31'"))
            .ShouldBe("True");

        await _database.Work.RetryAsync(item, TimeSpan.Zero, "timeout", default);

        await using var node = _database.AnotherNode();
        (await node.Work.ClaimAsync(Minute, default))!.Intent.ShouldBe("""{"body": "Your rent is 900 dollars"}""");
    }

    [Fact]
    public async Task An_erased_callers_intent_is_gone_and_that_there_was_one_is_known()
    {
        await ReceiveAsync(Maria, Noon);
        await _database.Work.SaveIntentAsync((await ClaimAsync())!, """{"body": "Your rent"}""", Minute, default);
        await _database.ExecuteAsync("delete from guru_keys.keys");
        await ExpireAsync();

        await using var node = _database.AnotherNode();
        var item = (await node.Work.ClaimAsync(Minute, default))!;

        item.Intent.ShouldBeNull();
        item.IntentAt.ShouldNotBeNull();
    }

    [Fact]
    public async Task A_node_with_a_destroyed_key_in_its_cache_seals_under_a_new_one()
    {
        await ReceiveAsync(Maria, Noon);
        var item = (await ClaimAsync())!;
        await _database.Work.SaveIntentAsync(item, "one", Minute, default);
        await _database.ExecuteAsync("delete from guru_keys.keys");

        await _database.Work.SaveIntentAsync(item, "two", Minute, default);

        await ExpireAsync();
        await using var node = _database.AnotherNode();
        (await node.Work.ClaimAsync(Minute, default))!.Intent.ShouldBe("two");
    }

    [Fact]
    public async Task Many_claimers_get_each_item_once()
    {
        var callers = Enumerable.Range(0, 200).Select(number => CallerId.Parse($"{number:x32}")).ToList();
        foreach (var caller in callers)
        {
            await ReceiveAsync(caller, Noon);
        }

        var claimed = new ConcurrentBag<CallerId>();
        await Task.WhenAll(Enumerable.Range(0, Claimers).Select(async _ =>
        {
            while (await ClaimAsync() is { } item)
            {
                claimed.Add(item.CallerId);
                await _database.Work.CompleteAsync(item, default);
            }
        }));

        claimed.ShouldBe(callers, ignoreOrder: true);
        (await _database.DumpAsync("work")).ShouldBeEmpty();
    }

    /// <summary>Messages of one caller arrive while many try to answer: nobody answers beside another, and the last message is answered.</summary>
    [Fact]
    public async Task A_caller_is_answered_by_one_at_a_time_and_no_message_is_forgotten()
    {
        const int Messages = 200;
        var (answered, answering) = (0, 0);
        var arriving = Task.Run(async () =>
        {
            for (var number = 0; number < Messages; number++)
            {
                await ReceiveAsync(Maria, Noon.AddMilliseconds(number));
            }
        });

        await Task.WhenAll(Enumerable.Range(0, Claimers).Select(async _ =>
        {
            while (true)
            {
                var last = arriving.IsCompleted;
                if (await ClaimAsync() is { } item)
                {
                    Interlocked.Increment(ref answering).ShouldBe(1);
                    answered = (await _database.Store.ReadAsync(Conversation.StreamId(Maria), 1, default)).Count;
                    Interlocked.Decrement(ref answering);
                    await _database.Work.CompleteAsync(item, default);
                }
                else if (last)
                {
                    return;
                }
            }
        }));

        await arriving;
        (await _database.DumpAsync("work")).ShouldBeEmpty();
        answered.ShouldBe(Messages);
    }

    private MessageReceived Message(CallerId caller, DateTimeOffset at) => new(
        $"SM{Interlocked.Increment(ref _messages)}", caller, "+15550100001", ProfileName: null, MessageKind.Text, "hello", MediaUrl: null, MediaType: null, at);

    private Task ReceiveAsync(CallerId caller, DateTimeOffset at) =>
        _database.Store.AppendAsync(Conversation.StreamId(caller), ExpectedVersion.Any, caller, [Message(caller, at)], default);

    private Task<WorkItem?> ClaimAsync() => _database.Work.ClaimAsync(Minute, default);

    private Task ExpireAsync() => _database.ExecuteAsync("update guru.work set lease_until = now()");
}
