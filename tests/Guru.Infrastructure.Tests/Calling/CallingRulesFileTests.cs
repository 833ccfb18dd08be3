using Guru.Domain.Callers;
using Guru.Domain.Conversations;
using Guru.Infrastructure.Calling;
using Guru.Infrastructure.Tests.Postgres;
using Shouldly;

namespace Guru.Infrastructure.Tests.Calling;

public sealed class CallingRulesFileTests : IDisposable
{
    private readonly TemporaryDirectory _directory = new();

    public void Dispose() => _directory.Dispose();

    [Fact]
    public void The_shipped_rules_are_the_stricter_reading()
    {
        var rules = CallingRulesFile.Load();

        rules.Calls.ShouldHaveSingleItem().ShouldBe(new CallingLimit(5, TimeSpan.FromHours(24)));
        rules.Requests.ShouldBe([new CallingLimit(1, TimeSpan.FromHours(24)), new CallingLimit(2, TimeSpan.FromDays(7))]);
        rules.PermissionLifetime.ShouldBe(TimeSpan.FromHours(168));
        rules.ExcludedSenders.ShouldBe(["US", "CA", "EG", "VN", "NG", "TR"], ignoreOrder: true);
        rules.UnavailableCallees.ShouldBe(["CU", "IR", "KP", "SY"], ignoreOrder: true);
    }

    [Theory]
    [InlineData("+233201234567", "GH")]
    [InlineData("+15005550006", "US")]
    [InlineData("+14165550100", "CA")]
    [InlineData("+18765550100", "JM")]
    [InlineData("+18295550100", "DO")]
    [InlineData("+77015550100", "KZ")]
    [InlineData("+79165550100", "RU")]
    [InlineData("+390669812345", "VA")]
    [InlineData("+390612345678", "IT")]
    [InlineData("+447700900123", "GB")]
    [InlineData("+441534123456", "JE")]
    [InlineData("HT.13491208655302741918", "HT")]
    [InlineData("+4700000000", "NO")]
    [InlineData("+99999999", null)]
    public void The_longest_prefix_tells_the_country(string address, string? country) =>
        (CallingRulesFile.Load().CountryOf(CallerAddress.Parse(address))?.Code).ShouldBe(country);

    [Fact]
    public void A_file_of_ones_own_replaces_member_by_member()
    {
        var rules = CallingRulesFile.Load(Write("asOf: 2026-11-22\nsources: [Meta's page of today]\ncalls: [{ most: 100, hours: 24 }]\nwakingHours: { from: \"00:00\", to: \"24:00\" }"));

        rules.AsOf.ShouldBe(new DateOnly(2026, 11, 22));
        rules.Calls[0].Most.ShouldBe(100);
        rules.Waking.ShouldBe(new WakingHours(TimeSpan.Zero, TimeSpan.FromHours(24)));
        rules.Requests.Length.ShouldBe(2);
        rules.Countries.Length.ShouldBeGreaterThan(200);
    }

    [Fact]
    public void Every_mistake_is_listed()
    {
        var mistakes = Should.Throw<CallingRulesException>(() => CallingRulesFile.Load(Write(
            """
            asOf: yesterday
            permissionHours: 0
            requests: []
            unanswered: { pauseAfter: 0, revokedAfter: 4 }
            wakingHours: { from: "20:00", to: "09:00" }
            excludedSenders: [XX]
            countries:
              GH: { prefixes: [233], zones: [Africa/Atlantis] }
              Ghana: { prefixes: [0233], zones: [] }
              TG: { prefixes: [233], zones: [Africa/Lome] }
            """))).Mistakes;

        string[] about = ["asOf", "sources", "permissionHours", "requests", "unanswered", "wakingHours", "XX", "Atlantis", "Ghana is not", "Ghana: a country", "0233", "233 is the prefix of GH and TG"];
        about.ShouldAllBe(word => mistakes.Any(mistake => mistake.Contains(word, StringComparison.Ordinal)));
    }

    [Theory]
    [InlineData("calls: ]")]
    [InlineData("surprises: 3")]
    [InlineData("permissionHours: soon")]
    public void What_cannot_be_read_is_told_with_its_line(string yaml) =>
        Should.Throw<CallingRulesException>(() => CallingRulesFile.Load(Write(yaml))).Mistakes.ShouldHaveSingleItem().ShouldContain("line 1");

    [Fact]
    public void A_file_that_is_not_there_is_told() =>
        Should.Throw<CallingRulesException>(() => CallingRulesFile.Load("/nowhere/rules.yaml")).Mistakes.ShouldHaveSingleItem().ShouldStartWith("/nowhere/rules.yaml cannot be read");

    private string Write(string yaml)
    {
        var path = Path.Combine(_directory.Path, "rules.yaml");
        File.WriteAllText(path, yaml);
        return path;
    }
}
