using Guru.Domain.Callers;
using Guru.Domain.Conversations;
using Shouldly;

namespace Guru.Domain.Tests.Callers;

public sealed class ANumberAndAnIdTogether
{
    private static readonly CallerId Number = CallerId.Parse(new string('1', 32));
    private static readonly CallerId Id = CallerId.Parse(new string('2', 32));
    private static readonly CallerId Other = CallerId.Parse(new string('3', 32));
    private static readonly CallerId Third = CallerId.Parse(new string('4', 32));

    private static readonly Dictionary<string, (CallerTies Number, CallerTies Id, SamePerson Person)> Table = new(StringComparer.Ordinal)
    {
        ["both are new"] = (New(Number), New(Id), new(Number, Id)),
        ["the number is known"] = (Known(Number), New(Id), new(Number, Id)),
        ["the id is known"] = (New(Number), Known(Id), new(Id, Number)),
        ["each is known by itself"] = (Known(Number), Known(Id), new(Number, Id)),
        ["they belong together by the number"] = (Known(Number) with { HasAliases = true }, New(Id) with { Owner = Number }, new(Number, null)),
        ["they belong together by the id"] = (New(Number) with { Owner = Id }, Known(Id) with { HasAliases = true }, new(Id, null)),
        ["they belong to a third"] = (New(Number) with { Owner = Other }, New(Id) with { Owner = Other }, new(Other, null)),
        ["a person has a new number"] = (New(Number), New(Id) with { Owner = Other }, new(Other, Number)),
        ["a person who is known by the id has a new number"] = (New(Number), Known(Id) with { HasAliases = true }, new(Id, Number)),
        ["a person has a number under which somebody wrote before"] = (Known(Number), New(Id) with { Owner = Other }, new(Other, null)),
        ["a person known by the id has a number under which somebody wrote before"] = (Known(Number), Known(Id) with { HasAliases = true }, new(Id, null)),
        ["the number came with another id before"] = (Known(Number) with { HasAliases = true }, New(Id), new(Id, null)),
        ["the number stood for another id"] = (New(Number) with { Owner = Other }, New(Id), new(Id, Number)),
        ["the number stood for another id, and this one for somebody"] = (New(Number) with { Owner = Other }, New(Id) with { Owner = Third }, new(Third, Number)),
    };

    public static TheoryData<string> Cases => [.. Table.Keys];

    [Theory]
    [MemberData(nameof(Cases))]
    public void Are_one_person_unless_the_number_was_anothers(string when)
    {
        var (number, id, person) = Table[when];

        SamePerson.Of(number, id).ShouldBe(person);
    }

    [Fact]
    public void Are_put_on_record_once_and_anew_after_the_person_was_erased()
    {
        var at = new DateTimeOffset(2026, 11, 27, 12, 0, 0, TimeSpan.Zero);
        var (alias, aliased) = (new AliasCaller(Number, Id, at), new CallerAliased(Number, Id, at));

        Conversation.Decide(Conversation.Empty, alias).ShouldBe([aliased]);
        Conversation.Decide(Conversation.Fold([aliased]), alias).ShouldBeEmpty();
        var erased = Conversation.Fold([aliased, new CallerErased(Number, at)]);
        Conversation.Decide(erased, alias).ShouldBeEmpty(); // It was shown before, in a message that waited.
        Conversation.Decide(erased, alias with { At = at.AddSeconds(1) }).ShouldBe([aliased with { At = at.AddSeconds(1) }]);
        Conversation.Decide(Conversation.Empty, alias with { Alias = Number }).ShouldBeEmpty();
    }

    private static CallerTies New(CallerId id) => new(id, Owner: null, HasAliases: false, IsKnown: false);

    private static CallerTies Known(CallerId id) => New(id) with { IsKnown = true };
}
