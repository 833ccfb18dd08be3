using System.Text.Json.Nodes;
using Guru.Application.Calling;
using Guru.Application.Conversations;
using Guru.Application.Tests.Voice;
using Guru.Application.Voice;
using Guru.Domain.Callers;
using Guru.Domain.Conversations;
using Microsoft.Extensions.Logging.Abstractions;
using Shouldly;

namespace Guru.Application.Tests.Calling;

/// <summary>What becomes of a call-back that a caller wants on the phone. It is 3:04 on a Friday morning in Ghana, whose clock is UTC.</summary>
public sealed class AtTheDesk
{
    private static readonly CallerId Ama = CallerId.Parse("0123456789abcdef0123456789abcdef");
    private readonly House _house = new();

    private CallBackDesk Desk => new(_house.Store, new CallBacks(_house.Templates, House.Terms, _house.Time), _house.Rules, _house.Time, NullLogger<CallBackDesk>.Instance);

    private Conversation State => Conversation.Fold(_house.Store.Of<ConversationEvent>());

    [Fact]
    public async Task A_time_is_proposed_confirmed_and_cancelled()
    {
        await CallerIsKnownAsync("+233201234567");
        var tomorrow = _house.Time.GetUtcNow().Date.AddDays(1).AddHours(10);

        Of(await AsksAsync($$"""{"action":"propose","at":"{{tomorrow:yyyy-MM-ddTHH:mm}}","about":"the rent"}"""), "proposed").ShouldEndWith("10:00 by their clock (UTC)");
        var proposed = _house.Store.Of<CallBackProposed>().ShouldHaveSingleItem();
        (proposed.DueAt.UtcDateTime, proposed.Reason, proposed.Agent).ShouldBe((tomorrow, "the rent", "legal"));
        Of(await AsksAsync("""{"action":"confirm"}"""), "arranged").ShouldContain("10:00");
        _house.Store.Of<CallBackConfirmed>().ShouldHaveSingleItem().DueAt.UtcDateTime.ShouldBe(tomorrow);
        Of(await AsksAsync("""{"action":"look_up"}"""), "arranged").ShouldContain("10:00");

        Of(await AsksAsync("""{"action":"cancel"}"""), "cancelled").ShouldContain("10:00");
        _house.Store.Of<CallBackCancelled>().ShouldHaveSingleItem().By.ShouldBe(CallBackCancelled.ByCaller);
        Of(await AsksAsync("""{"action":"look_up"}"""), "error").ShouldBe("No call to this person is proposed or arranged.");
    }

    [Fact]
    public async Task Who_has_only_ever_called_is_known_by_that_call()
    {
        await _house.AnswersAsync("whatsapp:+233201234567");
        await Desk.AnswerAsync(House.CallSid, Ama, new ArrangeCallBack("call_1", $$"""{"action":"propose","at":"{{_house.Time.GetUtcNow().AddHours(3):yyyy-MM-ddTHH:mm}}"}""", "general"));

        State.Address.ShouldBe("+233201234567");
        State.LastReceivedAt.ShouldBe(_house.Time.GetUtcNow(), "A message about that call can be sent.");
    }

    [Fact]
    public async Task Who_has_not_allowed_calls_is_asked_when_they_agree_and_the_agent_tells_them()
    {
        await CallerIsKnownAsync("+233201234567");
        await _house.Templates.SaveAsync(new Template(TemplateKind.PermissionRequest, "en", "HX1", "May we?"), CancellationToken.None);
        await AsksAsync(Propose(hours: 3));

        Of(await AsksAsync("""{"action":"confirm"}"""), "next").ShouldContain("tell them to allow it there");
        _house.Store.Of<CallPermissionRequested>().ShouldHaveSingleItem().ContentSid.ShouldBe("HX1");
    }

    [Fact]
    public async Task Who_cannot_be_asked_is_told_that_the_call_cannot_be_made_like_this()
    {
        await CallerIsKnownAsync("+233201234567");
        await AsksAsync(Propose(hours: 3));

        Of(await AsksAsync("""{"action":"confirm"}"""), "next").ShouldContain("They have not allowed calls");
    }

    [Theory]
    [InlineData("""{"action":"propose"}""", "The time is missing")]
    [InlineData("""{"action":"propose","at":"tomorrow"}""", "The time is missing")]
    [InlineData("""{"action":"propose","at":"2020-01-01T10:00"}""", "in the past")]
    [InlineData("""{"action":"propose","at":"2099-01-01T10:00"}""", "more than 30 days ahead")]
    [InlineData("""{"action":"propose","at":"2099-01-01T10:00","timeZone":"Mars/Olympus"}""", "time zone is not known")]
    [InlineData("""{"action":"confirm"}""", "No call to this person is proposed")]
    [InlineData("""{"action":"cancel"}""", "No call to this person is proposed")]
    [InlineData("""{"action":"dance"}""", "action is propose")]
    [InlineData("""["propose"]""", "action is propose")]
    [InlineData("""{"action":"prop""", "action is propose")]
    public async Task What_cannot_be_is_told_and_nothing_goes_on_record(string arguments, string why)
    {
        await CallerIsKnownAsync("+233201234567");
        var before = _house.Store.Of<ConversationEvent>().Count;

        Of(await AsksAsync(arguments), "error").ShouldContain(why);
        _house.Store.Of<ConversationEvent>().Count.ShouldBe(before);
    }

    [Fact]
    public async Task Whose_number_nobody_knows_cannot_be_called() =>
        Of(await AsksAsync(Propose(hours: 3)), "error").ShouldContain("No WhatsApp number");

    [Fact]
    public async Task A_database_that_does_not_answer_is_told_so_that_no_call_is_promised()
    {
        _house.Store.IsDown = true;
        Of(await AsksAsync(Propose(hours: 3)), "error").ShouldContain("cannot be put on record now");
    }

    /// <summary>By the clocks of Berlin, which go forward on 29 March 2026 and back on 25 October.</summary>
    [Theory]
    [InlineData("2026-03-28T10:00", "2026-03-28T09:00Z")]
    [InlineData("2026-03-29T10:00", "2026-03-29T08:00Z")]
    [InlineData("2026-03-29T02:30", "2026-03-29T01:30Z")] // Is never: half past three.
    [InlineData("2026-10-25T02:30", "2026-10-25T01:30Z")] // Is twice: the second.
    [InlineData("2026-10-25T10:00:00", "2026-10-25T09:00Z")]
    [InlineData("2026-10-25T10:00Z", "2026-10-25T10:00Z")]
    public void A_time_is_by_the_clock_of_the_person(string said, string dueAt)
    {
        var before = DateTimeOffset.Parse(dueAt, System.Globalization.CultureInfo.InvariantCulture);
        var callBacks = new CallBacks(_house.Templates, House.Terms, new FixedTime(before.AddDays(-1)));

        var read = callBacks.Read(said, "Europe/Berlin", Conversation.Empty, out var why);
        why.ShouldBeNull();
        read.ShouldBe(new CallBackTime(before, "Europe/Berlin"));
    }

    [Theory]
    [InlineData(0, false)]
    [InlineData(1, true)]
    [InlineData((30 * 24 * 3600) - 1, true)]
    [InlineData(30 * 24 * 3600, false)]
    public void A_time_lies_ahead_and_not_too_far(int seconds, bool possible)
    {
        var now = new DateTimeOffset(2026, 3, 2, 12, 0, 0, TimeSpan.Zero);
        var callBacks = new CallBacks(_house.Templates, House.Terms, new FixedTime(now));

        callBacks.Read($"{now.AddSeconds(seconds):yyyy-MM-ddTHH:mm:ss}Z", zone: null, Conversation.Empty, out _).HasValue.ShouldBe(possible);
    }

    [Fact]
    public async Task A_moment_without_a_clock_does_not_make_one_up()
    {
        await CallerIsKnownAsync("+12125550100"); // A country that the rules of this house do not know.
        var at = _house.Time.GetUtcNow().AddHours(2);
        Of(await AsksAsync($$"""{"action":"propose","at":"{{at:yyyy-MM-ddTHH:mm:ss}}Z"}"""), "proposed").ShouldEndWith("UTC, in 120 minutes");
        await AsksAsync("""{"action":"confirm"}""");

        State.Consent.TimeZone.ShouldBeNull();
        Of(await AsksAsync($$"""{"action":"propose","at":"{{at:yyyy-MM-ddTHH:mm}}"}"""), "error").ShouldContain("time zone is not known");
    }

    [Fact]
    public void What_it_is_to_be_about_is_not_cut_within_a_character() => CallBacks.About($"{new string('x', 299)}👋👋").ShouldBe($"{new string('x', 299)}…");

    private string Propose(int hours) => $$"""{"action":"propose","at":"{{_house.Time.GetUtcNow().AddHours(hours):yyyy-MM-ddTHH:mm}}"}""";

    private Task CallerIsKnownAsync(string address) => new ConversationLog(_house.Store, Ama).AppendAsync(
        new ReceiveMessage(new MessageReceived("SM1", Ama, address, ProfileName: null, MessageKind.Text, "hello", MediaUrl: null, MediaType: null, _house.Time.GetUtcNow())),
        CancellationToken.None);

    private Task<string> AsksAsync(string arguments) => Desk.AnswerAsync(House.CallSid, Ama, new ArrangeCallBack("call_1", arguments, "legal"));

    private static string Of(string answer, string member) => (string?)JsonNode.Parse(answer)![member] ?? throw new ShouldAssertException(answer);

    private sealed class FixedTime(DateTimeOffset now) : TimeProvider
    {
        public override DateTimeOffset GetUtcNow() => now;
    }
}
