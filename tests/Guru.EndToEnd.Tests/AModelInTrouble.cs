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

    /// <summary>Its time is over in mid call.</summary>
    public PlacedCall Expiring { get; private set; } = null!;

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
            ["Guru__OpenAI__KeepAliveTimeoutSeconds"] = "2", // In less a stand-in may answer late that is not mute.
            ["Guru__Messages__SummaryAfterCall"] = "false",
        });
        Twilio.AppUrl = _guru.Address;
        var asks = new CallerTurn(new AgentFinished(Beat), new Say("visa-en"));
        var leaves = new CallerTurn(new AgentFinished(Beat), new HangUp());
        var leavesWhenNobodyGoesOn = new CallerTurn(new NobodySpeaking(TimeSpan.FromSeconds(6)), new HangUp()); // An apology may come before what it is for has been heard, or a while after.
        var leavesAfterTheThird = new CallerTurn(new AgentFinished(Beat, Turn: 3), new HangUp());

        foreach (var code in (int[])[1000, 1001, Broken, 1011, 3000, 4000])
        {
            ClosedInAnAnswer[code] = await PlaceAsync(
                [asks, leavesWhenNobodyGoesOn], code == Broken ? new RealtimeFaults { ResetAtDelta = 22 } : new RealtimeFaults { CloseAtDelta = 22, CloseCode = code });
        }

        Expiring = await PlaceAsync([asks, new CallerTurn(new AgentFinished(Beat), new Say("thanks-en")), leaves], new RealtimeFaults { ExpiresAfter = TimeSpan.FromSeconds(30) });
        Slow = await PlaceAsync([asks, new CallerTurn(new NobodySpeaking(TimeSpan.FromSeconds(3)), new HangUp())], new RealtimeFaults { SlowFromResponse = 2 });
        Garbled = await PlaceAsync([asks, leaves], new RealtimeFaults { Garbage = true, UnknownEvents = true, HugeDeltas = true, SplitFrames = true });
        Stalled = await PlaceAsync([asks, leavesAfterTheThird], new RealtimeFaults { StallAtDelta = 22 });
        RateLimitedTwice = await PlaceAsync([asks, leaves], RateLimited(2, 3));
        RateLimitedForGood = await PlaceAsync([asks], RateLimited([.. Enumerable.Range(2, 8)]));
        RateLimitedAtFirst = await PlaceAsync([asks, leaves], new RealtimeFaults { RefuseUpgrade = 429 }, new RealtimeFaults { RefuseUpgrade = 429 });
        MuteInAnAnswer = await PlaceAsync([asks, leavesWhenNobodyGoesOn], new RealtimeFaults { MuteAtDelta = 22 });
        MuteAsTheCallerSpeaks = await PlaceAsync([asks, leaves], new RealtimeFaults { MuteAtTurn = 1 });
        MuteBetweenTurns = await PlaceAsync([asks with { When = new NobodySpeaking(TimeSpan.FromSeconds(3)) }, leaves], new RealtimeFaults { MuteAfterResponse = 1 });
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
        using var analyst = World.ClientFor(_guru.Address, GuruProcess.AnalystKey);
        await OpenAI.SessionsShouldBeOfCallsOnRecordAsync(analyst);
        return await CallRecord.WhenCompleteAsync(_guru.Address, call, OpenAI);
    }

    private static RealtimeFaults RateLimited(params int[] responses) =>
        new() { FailResponses = responses.ToImmutableDictionary(number => number, _ => "rate_limit_exceeded") };

    /// <summary>Places a call, and waits until its session is there, so that what goes wrong goes wrong in no other; calls placed before may dial again meanwhile.</summary>
    private async Task<PlacedCall> PlaceAsync(IReadOnlyList<CallerTurn> script, params RealtimeFaults[] faults)
    {
        var known = OpenAI.Sessions.Entries.Select(session => session.SafetyIdentifier).ToHashSet(StringComparer.Ordinal);
        OpenAI.FailNextCaller(faults);
        var call = Twilio.PlaceCall(new CallOptions { From = $"whatsapp:+2332000000{known.Count:D2}", Script = [.. script] });
        await OpenAI.Sessions.WaitAsync(session => !known.Contains(session.SafetyIdentifier));
        return call;
    }
}

public sealed class AModelInTrouble(TroubledModel world) : IClassFixture<TroubledModel>
{
    private const string Greeting = "agent: Hello, this is Guru";
    private const string Question = "caller: My student visa ends in two months.";
    private const string Answer = "agent: There are ways to stay";
    private const string Apology = "agent: Sorry, we were cut off for a moment.";

    [Fact]
    public async Task Whose_socket_is_half_open_while_the_caller_speaks_is_replaced_by_one_that_hears_the_whole_turn() =>
        await ShouldGo(world.MuteAsTheCallerSpeaks, [Greeting, Question, Answer], reconnects: 1);

    [Fact]
    public async Task Whose_socket_is_half_open_in_an_answer_is_replaced_by_one_that_says_so() =>
        await ShouldGo(world.MuteInAnAnswer, [Greeting, Question, Answer, Apology], reconnects: 1, broken: true);

    [Theory]
    [InlineData(1000)]
    [InlineData(1001)]
    [InlineData(TroubledModel.Broken)]
    [InlineData(1011)]
    public async Task Whose_socket_is_closed_in_an_answer_is_replaced_by_one_that_says_so(int code) =>
        await ShouldGo(world.ClosedInAnAnswer[code], [Greeting, Question, Answer, Apology], reconnects: 1, broken: true);

    [Theory]
    [InlineData(3000)]
    [InlineData(4000)]
    public async Task That_refuses_in_an_answer_to_go_on_is_given_up_by_a_sentence_and_a_message(int code) =>
        await ShouldBeGivenUp(world.ClosedInAnAnswer[code], [Greeting, Question, "agent: "], broken: true); // Its first words at most.

    [Fact]
    public async Task Whose_socket_is_half_open_while_nobody_speaks_is_replaced_by_one_that_says_so_since_it_cannot_know_that_nobody_did() =>
        await ShouldGo(world.MuteBetweenTurns, [Greeting, Apology, Question, Answer], reconnects: 1);

    [Fact]
    public async Task That_speaks_slower_than_its_words_play_is_heard_to_the_end()
    {
        var record = await ShouldGo(world.Slow, [Greeting, Question, Answer]);

        record.Utterances[2].GetProperty("heard").GetString().ShouldBe(record.Utterances[2].GetProperty("said").GetString());
    }

    [Fact]
    public async Task Whose_time_is_soon_over_is_replaced_between_turns_and_nobody_notices() =>
        await ShouldGo(world.Expiring, [Greeting, Question, Answer, "caller: Thank you", "agent: You are welcome."], reconnects: 1);

    [Fact]
    public async Task That_sends_rubbish_between_its_words_is_heard_as_if_it_had_not() => await ShouldGo(world.Garbled, [Greeting, Question, Answer]);

    [Fact]
    public async Task That_stalls_in_an_answer_is_asked_again() => await ShouldGo(world.Stalled, [Greeting, Question, Answer, Answer], broken: true);

    [Fact]
    public async Task Whose_answers_hit_a_rate_limit_is_asked_again_and_answers_once()
    {
        var record = await ShouldGo(world.RateLimitedTwice, [Greeting, Question, Answer]);

        record.Utterances[2].GetProperty("firstAudioMs").GetInt64().ShouldBeGreaterThan(3000); // 1 s and 2 s.
    }

    [Fact]
    public async Task Whose_answers_hit_a_rate_limit_again_and_again_is_given_up_by_a_sentence_and_a_message() =>
        await ShouldBeGivenUp(world.RateLimitedForGood, [Greeting, Question]);

    [Fact]
    public async Task Whose_session_is_refused_by_a_rate_limit_is_dialled_again()
    {
        await ShouldGo(world.RateLimitedAtFirst, [Greeting, Question, Answer]);

        world.OpenAI.Refusals.Entries.ShouldBe([429, 429]);
    }

    private async Task ShouldBeGivenUp(PlacedCall call, IReadOnlyList<string> begins, bool broken = false)
    {
        await ShouldGo(call, begins, broken: broken, endReason: "modelUnavailable");
        call.Events.Of<SentenceSaid>().ShouldHaveSingleItem();
        await world.Twilio.Rest.Messages.WaitAsync(message => message.To == call.From, TimeSpan.FromSeconds(30));
    }

    /// <param name="begins">What each line begins with.</param>
    /// <param name="broken">An answer broke off.</param>
    private async Task<CallRecord> ShouldGo(
        PlacedCall call, IReadOnlyList<string> begins, int reconnects = 0, bool broken = false, string endReason = "callerHungUp")
    {
        var record = await world.RecordOf(call);
        if (broken)
        {
            record.ShouldTellOfABrokenAnswer(call, lineLived: true);
        }
        else
        {
            record.ShouldTellOf(call, lineLived: true);
        }

        var lines = record.Conversation.Replace(" (cut)", "", StringComparison.Ordinal).Split('\n');
        lines.Length.ShouldBe(begins.Count, record.Conversation);
        lines.Zip(begins).ShouldAllBe(pair => pair.First.StartsWith(pair.Second, StringComparison.Ordinal));
        record.EventTypes.Count(type => type == "VoiceModelReconnected").ShouldBe(reconnects);
        record.EndReason.ShouldBe(endReason);
        return record;
    }
}
