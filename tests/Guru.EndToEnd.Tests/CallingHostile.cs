using System.Net;
using System.Net.Http.Json;
using System.Text;

namespace Guru.EndToEnd.Tests;

/// <summary>What operators' programs send that is missing, wrong or hostile.</summary>
[Collection(nameof(CallingWorld))]
public sealed class CallingHostile(CallingWorld world)
{
    private const string Person = "+233200000051";

    [Theory]
    [InlineData("calls", "")]
    [InlineData("calls", "null")]
    [InlineData("calls", "[]")]
    [InlineData("calls", "{")]
    [InlineData("calls", """{"reason":"x"}""")]
    [InlineData("calls", """{"phoneNumber":"+233200000051"}""")]
    [InlineData("calls", """{"phoneNumber":"+233200000051","reason":"   "}""")]
    [InlineData("calls", """{"phoneNumber":"+233200000051","reason":7}""")]
    [InlineData("calls", """{"phoneNumber":"+233200000051","callerId":"00000000000000000000000000000000","reason":"x"}""")]
    [InlineData("calls", """{"phoneNumber":"' or 1=1 --","reason":"x"}""")]
    [InlineData("calls", """{"callerId":"../../health","reason":"x"}""")]
    [InlineData("calls", """{"phoneNumber":"+233200000051","reason":"x","agent":"astrologer"}""")]
    [InlineData("calls", """{"phoneNumber":"+233200000051","reason":"x","latest":"2020-01-01T00:00:00Z"}""")]
    [InlineData("calls", """{"phoneNumber":"+233200000051","reason":"x","earliest":"2999-01-01T00:00:00Z"}""")]
    [InlineData("calls", """{"phoneNumber":"+233200000051","reason":"x","latest":"9999-12-31T23:59:59-14:00"}""")]
    [InlineData("calls", """{"phoneNumber":"+233200000051","reason":"x","earliest":"tomorrow"}""")]
    [InlineData("permissions", "")]
    [InlineData("permissions", "{}")]
    [InlineData("permissions", """{"phoneNumber":"+233200000051","contentSid":"HX1"}""")]
    [InlineData("permissions", """{"phoneNumber":"+233200000051","contentSid":"HX00000000000000000000000000000001","variables":{"1":null}}""")]
    [InlineData("permissions", """{"phoneNumber":"+233200000051","contentSid":"HX00000000000000000000000000000001","variables":{"":"x"}}""")]
    [InlineData("permissions", """{"phoneNumber":"+233200000051","contentSid":"HX00000000000000000000000000000001","variables":["x"]}""")]
    public async Task Is_refused_with_a_problem(string path, string body)
    {
        var (status, problem) = await world.People.PostAsync(path, Json(body));

        status.ShouldBe(HttpStatusCode.BadRequest, problem.ToString());
        problem.GetProperty("title").GetString().ShouldNotBeNullOrWhiteSpace();
    }

    [Fact]
    public async Task Is_told_which_members_are_wrong_by_their_names_in_JSON()
    {
        var (_, problem) = await world.People.PostAsync("calls", Json("""{"phoneNumber":"nonsense","reason":" ","agent":"astrologer"}"""));

        problem.GetProperty("errors").EnumerateObject().Select(error => error.Name).ShouldBe(["phoneNumber", "reason", "agent"], ignoreOrder: true);
    }

    [Theory]
    [InlineData("calls")]
    [InlineData("permissions")]
    public async Task Is_bounded(string path)
    {
        var huge = new string('x', 20_000);
        (await world.People.PostAsync(path, new { phoneNumber = Person, reason = huge, contentSid = huge })).Status.ShouldBe(HttpStatusCode.BadRequest);
        var many = Enumerable.Range(1, 51).ToDictionary(number => $"{number}", _ => "x");
        (await world.People.PostAsync("permissions", new { phoneNumber = Person, contentSid = Callable.ContentSid, variables = many })).Status.ShouldBe(HttpStatusCode.BadRequest);
    }

    [Theory]
    [InlineData("calls", "")]
    [InlineData("calls", "two words")]
    [InlineData("permissions", "")]
    [InlineData("permissions", "two words")]
    public async Task As_a_key_is_refused(string path, string key) =>
        (await world.People.PostAsync(path, new { phoneNumber = Person, reason = "x", contentSid = Callable.ContentSid }, key)).Status.ShouldBe(HttpStatusCode.BadRequest);

    [Fact]
    public async Task As_words_stays_words()
    {
        const string Caller = "+233200000052";
        var callerId = await world.People.AskedAsync(Caller, accepts: true);
        var hostile = Json("""{"phoneNumber":"+233200000052","reason":"a \u0000 <b>'; drop table --","earliest":"2020-01-01T00:00:00+05:30","latest":"LATEST"}"""
            .Replace("LATEST", $"{DateTimeOffset.UtcNow.AddHours(6):yyyy-MM-ddTHH:mm:ss}+05:30", StringComparison.Ordinal));

        (await world.People.PostAsync("calls", hostile)).Status.ShouldBe(HttpStatusCode.Accepted);

        await world.People.LedgerWithAsync(callerId, "OutboundCallEnded");
    }

    [Fact]
    public async Task A_permission_asked_for_twice_with_one_key_is_one_message_and_its_answer_tells_how_far_it_is()
    {
        const string Caller = "+233200000053";
        var body = new { phoneNumber = Caller, contentSid = Callable.ContentSid };

        var answers = await Task.WhenAll(Enumerable.Range(0, 8).Select(_ => world.People.PostAsync("permissions", body, "ask-once")));

        answers.ShouldAllBe(answer => answer.Status == HttpStatusCode.Accepted);
        var asked = answers.Select(answer => answer.Body.GetProperty("requestId").GetString()).Distinct().ShouldHaveSingleItem();
        var callerId = answers[0].Body.GetProperty("callerId").GetString()!;
        await world.People.LedgerWithAsync(callerId, "CallPermissionRequestSent");
        var again = await world.People.PostAsync("permissions", body, "ask-once");
        (again.Body.GetProperty("requestId").GetString(), again.Body.GetProperty("status").GetString()).ShouldBe((asked, "sent"));
        world.Twilio.Rest.Messages.Entries.Count(message => message.To == $"whatsapp:{Caller}").ShouldBe(1);
        (await world.People.PostAsync("permissions", body with { contentSid = "HX00000000000000000000000000000009" }, "ask-once")).Status.ShouldBe(HttpStatusCode.UnprocessableEntity);
    }

    [Fact]
    public async Task A_refusal_asked_for_again_with_its_key_is_the_same_refusal()
    {
        const string Caller = "+233200000054";
        var (status, first) = await world.People.PostAsync("calls", new { phoneNumber = Caller, reason = "the rent" }, "refused-once");
        var (again, second) = await world.People.PostAsync("calls", new { phoneNumber = Caller, reason = "the rent" }, "refused-once");

        (status, again).ShouldBe((HttpStatusCode.Conflict, HttpStatusCode.Conflict));
        second.GetProperty("reasons").ToString().ShouldBe(first.GetProperty("reasons").ToString());
        var callerId = (await world.GetAsync($"/api/conversations?phoneNumber={Uri.EscapeDataString(Caller)}")).GetProperty("items");
        callerId.GetArrayLength().ShouldBe(0, "Nothing was said yet.");
    }

    [Fact]
    public async Task The_endpoints_are_the_operators_alone()
    {
        var body = new { phoneNumber = Person, reason = "x", contentSid = Callable.ContentSid };
        foreach (var path in (string[])["calls", "permissions"])
        {
            using var asAnalyst = await world.Analyst.PostAsJsonAsync($"/api/whatsapp/voice/{path}", body);
            asAnalyst.StatusCode.ShouldBe(HttpStatusCode.Forbidden);
            using var nobody = new HttpClient { BaseAddress = world.Analyst.BaseAddress };
            using var asNobody = await nobody.PostAsJsonAsync($"/api/whatsapp/voice/{path}", body);
            asNobody.StatusCode.ShouldBe(HttpStatusCode.Unauthorized);
        }

        (await world.People.PostAsync("calls", new { callerId = new string('0', 32), reason = "x" })).Status.ShouldBe(HttpStatusCode.NotFound);
    }

    private static StringContent Json(string body) => new(body, Encoding.UTF8, "application/json");
}
