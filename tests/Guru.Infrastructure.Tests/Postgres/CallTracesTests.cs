using Guru.Application.Traces;
using Guru.Domain.Callers;
using Guru.Domain.Calls;
using Guru.Infrastructure.Postgres;
using Guru.Infrastructure.Tests.Privacy;
using Shouldly;

namespace Guru.Infrastructure.Tests.Postgres;

[Collection(PostgresCollection.Name)]
public sealed class CallTracesTests(PostgresFixture postgres) : IAsyncLifetime
{
    private static readonly DateTimeOffset Start = new(2026, 3, 4, 5, 6, 7, TimeSpan.Zero);
    private static readonly CallSid Call = CallSid.Parse("CA00000000000000000000000000000001");
    private static readonly CallerId Caller = CallerId.Of(CallerAddress.Parse("+15550001111"), "secret"u8);
    private TestDatabase _database = null!;
    private PostgresCallTraces _traces = null!;

    public async Task InitializeAsync()
    {
        _database = await TestDatabase.NewAsync(postgres);
        _traces = new PostgresCallTraces(_database.DataSource, _database.Keys);
    }

    public async Task DisposeAsync() => await _database.DisposeAsync();

    [Fact]
    public async Task The_traces_of_a_call_come_back_as_they_were_in_the_order_of_its_streams()
    {
        await KeepAsync("MZ2", Start.AddMinutes(1), "trace 1\nthe second, ¿qué?\n");
        await KeepAsync("MZ1", Start, "trace 1\nthe first\n");

        var traces = await _traces.OfAsync(Call, CancellationToken.None);

        traces.Select(trace => trace.StreamSid).ShouldBe(["MZ1", "MZ2"]);
        traces.Select(trace => trace.Text).ShouldBe(["trace 1\nthe first\n", "trace 1\nthe second, ¿qué?\n"]);
        traces[0].StartedAt.ShouldBe(Start);
        traces[0].CallerId.ShouldBe(Caller);
        (await _traces.CallsAsync(CancellationToken.None)).ShouldBe([Call]);
    }

    [Fact]
    public async Task A_trace_is_kept_once()
    {
        await KeepAsync("MZ1", Start, "trace 1\nthe first\n");
        await KeepAsync("MZ1", Start, "trace 1\nanother\n");

        (await _traces.OfAsync(Call, CancellationToken.None)).ShouldHaveSingleItem().Text.ShouldBe("trace 1\nthe first\n");
    }

    [Fact]
    public async Task No_word_of_a_trace_lies_open_in_the_table()
    {
        await KeepAsync("MZ1", Start, "trace 1\ncanary\n");

        (await _database.OneAsync("select encode(body, 'escape') from guru.call_traces")).ShouldNotContain("canary");
    }

    [Fact]
    public async Task Who_destroys_the_callers_key_for_transcripts_has_destroyed_the_trace()
    {
        await KeepAsync("MZ1", Start, "trace 1\ncanary\n");

        await _database.ExecuteAsync("delete from guru_keys.keys where kind = 'transcript'");

        (await _traces.OfAsync(Call, CancellationToken.None)).ShouldHaveSingleItem().Text.ShouldBeNull();
    }

    [Fact]
    public async Task Nothing_is_kept_of_a_caller_who_was_erased_during_the_call()
    {
        await KeepAsync("MZ1", Start, "trace 1\ncanary\n");
        await _database.ExecuteAsync("delete from guru_keys.keys");

        await KeepAsync("MZ2", Start, "trace 1\ncanary\n");

        (await _traces.OfAsync(Call, CancellationToken.None)).ShouldHaveSingleItem().StreamSid.ShouldBe("MZ1");
    }

    /// <summary>A stream ends a while after its call is on record as over, and the caller may be erased as soon as that is.</summary>
    [Fact]
    public async Task Nothing_is_kept_of_a_call_whose_caller_was_erased_before_its_stream_had_ended()
    {
        var zoe = new Person("Quetzalcoatl", "+15550734591", Start);
        await zoe.LeaveMarksAsync(_database);

        await _database.Erasures.EraseAsync(zoe.Id, isKnownElsewhere: false, CancellationToken.None);
        await _traces.KeepAsync(new KeptTrace(zoe.Call, zoe.Id, "MZ1", Start, "trace 1\ncanary\n"), DateTimeOffset.MinValue, CancellationToken.None);

        (await _traces.OfAsync(zoe.Call, CancellationToken.None)).ShouldBeEmpty();
    }

    [Fact]
    public async Task Traces_that_are_too_old_are_let_go_when_a_new_one_comes()
    {
        await KeepAsync("MZ1", Start, "trace 1\n");

        await _traces.KeepAsync(new KeptTrace(Call, Caller, "MZ2", Start.AddDays(31), "trace 1\n"), oldest: Start.AddDays(1), CancellationToken.None);

        (await _traces.OfAsync(Call, CancellationToken.None)).ShouldHaveSingleItem().StreamSid.ShouldBe("MZ2");
    }

    private Task KeepAsync(string streamSid, DateTimeOffset startedAt, string text) =>
        _traces.KeepAsync(new KeptTrace(Call, Caller, streamSid, startedAt, text), DateTimeOffset.MinValue, CancellationToken.None);
}
