using System.Collections.Immutable;
using Guru.Sandbox.Commands;
using Guru.Sandbox.OpenAI;
using Guru.Sandbox.Twilio;

namespace Guru.EndToEnd.Tests;

/// <summary>A Guru process with a PostgreSQL of its own, and a model with whom something goes wrong, another thing in each call. The calls go on at once.</summary>
public sealed class TroubledModel : IAsyncLifetime
{
    public const int Broken = 1006;

    private static readonly TimeSpan Beat = TimeSpan.FromMilliseconds(400);

    private readonly List<PlacedCall> _placed = [];
    private GuruProcess _guru = null!;

    public OpenAIStandIn OpenAI { get; private set; } = null!;

    public TwilioStandIn Twilio { get; private set; } = null!;

    /// <summary>Half open from the caller's first words.</summary>
    public PlacedCall MuteAsTheCallerSpeaks { get; private set; } = null!;

    /// <summary>Half open in the middle of its answer.</summary>
    public PlacedCall MuteInAnAnswer { get; private set; } = null!;

    /// <summary>Half open while nobody speaks.</summary>
    public PlacedCall MuteBetweenTurns { get; private set; } = null!;

    /// <summary>Closed in the middle of its answer, by the code; 1006 is a connection that breaks without a close.</summary>
    public Dictionary<int, PlacedCall> ClosedInAnAnswer { get; } = [];

    public PlacedCall Slow { get; private set; } = null!;

    /// <summary>What is no JSON, events that nobody knows, and messages of 80 KB, all of it in small frames.</summary>
    public PlacedCall Garbled { get; private set; } = null!;

    /// <summary>An answer begins, and nothing follows.</summary>
    public PlacedCall Stalled { get; private set; } = null!;

    public PlacedCall RateLimitedTwice { get; private set; } = null!;

    public PlacedCall RateLimitedForGood { get; private set; } = null!;

    /// <summary>Rate limits stand in the way of the session itself.</summary>
    public PlacedCall RateLimitedAtFirst { get; private set; } = null!;

    public async Task InitializeAsync()
    {
        OpenAI = await OpenAIStandIn.StartAsync(new OpenAIStandInOptions { ApiKey = GuruProcess.OpenAIKey });
        Twilio = await TwilioStandIn.StartAsync(new TwilioStandInOptions { VerbSpeed = 50 });
        _guru = await GuruProcess.StartAsync(OpenAI, Twilio, new Dictionary<string, string>(StringComparer.Ordinal)
        {
            ["Guru__OpenAI__KeepAliveIntervalSeconds"] = "1",
            ["Guru__OpenAI__KeepAliveTimeoutSeconds"] = "1",
            ["Guru__Messages__SummaryAfterCall"] = "false",
        });
        Twilio.AppUrl = _guru.Address;
        var asks = new CallerTurn(new AgentFinished(Beat), new Say("visa-en"));
        var leaves = new CallerTurn(new AgentFinished(Beat), new HangUp());
        var leavesAfterTheThird = new CallerTurn(new AgentFinished(Beat, Turn: 3), new HangUp());

        // In the order in which they dial again, the last first: a session belongs to the call that was placed for it.
        foreach (var code in (int[])[1000, 1001, Broken, 1011, 3000, 4000])
        {
            ClosedInAnAnswer[code] = await PlaceAsync(
                [asks, leaves], code == Broken ? new RealtimeFaults { ResetAtDelta = 22 } : new RealtimeFaults { CloseAtDelta = 22, CloseCode = code });
        }

        Slow = await PlaceAsync([asks, new CallerTurn(new NobodySpeaking(TimeSpan.FromSeconds(3)), new HangUp())], new RealtimeFaults { SlowFromResponse = 2 });
        Garbled = await PlaceAsync([asks, leaves], new RealtimeFaults { Garbage = true, UnknownEvents = true, HugeDeltas = true, SplitFrames = true });
        Stalled = await PlaceAsync([asks, leavesAfterTheThird], new RealtimeFaults { StallAtDelta = 22 });
        RateLimitedTwice = await PlaceAsync([asks, leaves], RateLimited(2, 3));
        RateLimitedForGood = await PlaceAsync([asks], RateLimited(2, 3, 4, 5, 6));
        RateLimitedAtFirst = await PlaceAsync([asks, leaves], new RealtimeFaults { RefuseUpgrade = 429 }, new RealtimeFaults { RefuseUpgrade = 429 });
        MuteInAnAnswer = await PlaceAsync([asks, leavesAfterTheThird], new RealtimeFaults { MuteAtDelta = 22 });
        MuteAsTheCallerSpeaks = await PlaceAsync([asks, leaves], new RealtimeFaults { MuteAtTurn = 1 });
        MuteBetweenTurns = await PlaceAsync([asks with { When = new NobodySpeaking(TimeSpan.FromSeconds(1.5)) }, leaves], new RealtimeFaults { MuteAfterResponse = 1 });
    }

    public async Task DisposeAsync()
    {
        await _guru.DisposeAsync();
        await Twilio.DisposeAsync();
        await OpenAI.DisposeAsync();
    }

    internal async Task<CallRecord> RecordOf(PlacedCall call)
    {
        await call.Completion;
        return await CallRecord.WhenCompleteAsync(_guru.Address, call);
    }

    private static RealtimeFaults RateLimited(params int[] responses) =>
        new() { FailResponses = responses.ToImmutableDictionary(number => number, _ => "rate_limit_exceeded") };

    /// <summary>Places a call, and waits until its session is there, so that what goes wrong goes wrong in no other.</summary>
    private async Task<PlacedCall> PlaceAsync(IReadOnlyList<CallerTurn> script, params RealtimeFaults[] faults)
    {
        OpenAI.FailNext(faults);
        _placed.Add(Twilio.PlaceCall(new CallOptions { From = $"whatsapp:+2332000000{_placed.Count:D2}", Script = [.. script] }));
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(30));
        while (OpenAI.Sessions.Entries.Count < _placed.Count)
        {
            await Task.Delay(10, limit.Token);
        }

        return _placed[^1];
    }
}

public sealed class AModelInTrouble(TroubledModel world) : IClassFixture<TroubledModel>
{
    private const string Greeting = "agent: Hello, this is Guru";
    private const string Question = "caller: My student visa ends in two months.";
    private const string Answer = "agent: There are ways to stay";
    private const string Apology = "agent: Sorry, we were cut off for a moment.";

    [Fact]
    public async Task Whose_socket_is_half_open_while_the_caller_speaks_is_replaced_by_one_that_hears_the_whole_turn()
    {
        var record = await world.RecordOf(world.MuteAsTheCallerSpeaks);

        record.ShouldTellOf(world.MuteAsTheCallerSpeaks, lineLived: true);
        ShouldGo(record, Greeting, Question, Answer);
        Reconnects(record).ShouldBe(1);
        record.EndReason.ShouldBe("callerHungUp");
    }

    [Fact]
    public async Task Whose_socket_is_half_open_in_an_answer_is_replaced_by_one_that_says_so()
    {
        var record = await world.RecordOf(world.MuteInAnAnswer);

        record.ShouldTellOfABrokenAnswer(world.MuteInAnAnswer, lineLived: true);
        ShouldGo(record, Greeting, Question, Answer, Apology);
        Reconnects(record).ShouldBe(1);
    }

    [Theory]
    [InlineData(1000)]
    [InlineData(1001)]
    [InlineData(TroubledModel.Broken)]
    [InlineData(1011)]
    public async Task Whose_socket_is_closed_in_an_answer_is_replaced_by_one_that_says_so(int code)
    {
        var record = await world.RecordOf(world.ClosedInAnAnswer[code]);

        record.ShouldTellOfABrokenAnswer(world.ClosedInAnAnswer[code], lineLived: true);
        ShouldGo(record, Greeting, Question, Answer, Apology);
        Reconnects(record).ShouldBe(1);
        record.EndReason.ShouldBe("callerHungUp");
    }

    [Theory]
    [InlineData(3000)]
    [InlineData(4000)]
    public async Task That_refuses_in_an_answer_to_go_on_is_given_up_by_a_sentence_and_a_message(int code)
    {
        var call = world.ClosedInAnAnswer[code];
        var record = await world.RecordOf(call);

        record.ShouldTellOfABrokenAnswer(call, lineLived: true);
        ShouldGo(record, Greeting, Question, "agent: "); // Its first words at most.
        Reconnects(record).ShouldBe(0);
        await ShouldBeGivenUp(record, call);
    }

    [Fact]
    public async Task Whose_socket_is_half_open_while_nobody_speaks_is_replaced_by_one_that_says_so_since_it_cannot_know_that_nobody_did()
    {
        var record = await world.RecordOf(world.MuteBetweenTurns);

        record.ShouldTellOf(world.MuteBetweenTurns, lineLived: true);
        ShouldGo(record, Greeting, Apology, Question, Answer);
        Reconnects(record).ShouldBe(1);
    }

    [Fact]
    public async Task That_speaks_slower_than_its_words_play_is_heard_to_the_end()
    {
        var record = await world.RecordOf(world.Slow);

        record.ShouldTellOf(world.Slow, lineLived: true);
        ShouldGo(record, Greeting, Question, Answer);
        record.Utterances[2].GetProperty("heard").GetString().ShouldBe(record.Utterances[2].GetProperty("said").GetString());
        Reconnects(record).ShouldBe(0);
    }

    [Fact]
    public async Task That_sends_rubbish_between_its_words_is_heard_as_if_it_had_not()
    {
        var record = await world.RecordOf(world.Garbled);

        record.ShouldTellOf(world.Garbled, lineLived: true);
        ShouldGo(record, Greeting, Question, Answer);
        Reconnects(record).ShouldBe(0);
        record.EndReason.ShouldBe("callerHungUp");
    }

    [Fact]
    public async Task That_stalls_in_an_answer_is_asked_again()
    {
        var record = await world.RecordOf(world.Stalled);

        record.ShouldTellOfABrokenAnswer(world.Stalled, lineLived: true);
        ShouldGo(record, Greeting, Question, Answer, Answer);
        Reconnects(record).ShouldBe(0);
    }

    [Fact]
    public async Task Whose_answers_hit_a_rate_limit_is_asked_again_and_answers_once()
    {
        var record = await world.RecordOf(world.RateLimitedTwice);

        record.ShouldTellOf(world.RateLimitedTwice, lineLived: true);
        ShouldGo(record, Greeting, Question, Answer);
        Reconnects(record).ShouldBe(0);
        record.Utterances[2].GetProperty("firstAudioMs").GetInt64().ShouldBeGreaterThan(3000); // 1 s and 2 s.
    }

    [Fact]
    public async Task Whose_answers_hit_a_rate_limit_again_and_again_is_given_up_by_a_sentence_and_a_message()
    {
        var call = world.RateLimitedForGood;
        var record = await world.RecordOf(call);

        record.ShouldTellOf(call, lineLived: true);
        ShouldGo(record, Greeting, Question);
        await ShouldBeGivenUp(record, call);
    }

    [Fact]
    public async Task Whose_session_is_refused_by_a_rate_limit_is_dialled_again()
    {
        var record = await world.RecordOf(world.RateLimitedAtFirst);

        record.ShouldTellOf(world.RateLimitedAtFirst, lineLived: true);
        ShouldGo(record, Greeting, Question, Answer);
        world.OpenAI.Refusals.Entries.ShouldBe([429, 429]);
    }

    private async Task ShouldBeGivenUp(CallRecord record, PlacedCall call)
    {
        record.EndReason.ShouldBe("modelUnavailable");
        call.Events.Of<SentenceSaid>().ShouldHaveSingleItem();
        await world.Twilio.Rest.Messages.WaitAsync(message => message.To == call.From, TimeSpan.FromSeconds(30));
    }

    private static int Reconnects(CallRecord record) => record.EventTypes.Count(type => type == "VoiceModelReconnected");

    private static void ShouldGo(CallRecord record, params string[] begins)
    {
        var lines = record.Conversation.Replace(" (cut)", "", StringComparison.Ordinal).Split('\n');
        lines.Length.ShouldBe(begins.Length, record.Conversation);
        lines.Zip(begins).ShouldAllBe(pair => pair.First.StartsWith(pair.Second, StringComparison.Ordinal));
    }
}
