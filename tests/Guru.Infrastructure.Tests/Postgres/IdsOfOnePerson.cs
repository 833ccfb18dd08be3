using Guru.Application;
using Guru.Domain.Callers;
using Guru.Domain.Conversations;
using Guru.Infrastructure.Postgres;
using Guru.Infrastructure.Tests.Privacy;
using Shouldly;

namespace Guru.Infrastructure.Tests.Postgres;

[Collection(RebuildingCollection.Name)]
public sealed class IdsOfOnePerson(PostgresFixture postgres) : IAsyncLifetime
{
    private static readonly CallerId Number = CallerId.Parse(new string('1', 32));
    private static readonly CallerId Id = CallerId.Parse(new string('2', 32));
    private static readonly CallerId Other = CallerId.Parse(new string('3', 32));
    private static readonly DateTimeOffset At = new(2026, 11, 3, 12, 0, 0, TimeSpan.Zero);
    private TestDatabase _database = null!;
    private CallerAliases _aliases = null!;

    public async Task InitializeAsync()
    {
        _database = await TestDatabase.NewAsync(postgres);
        _aliases = new CallerAliases(_database.DataSource);
    }

    public async Task DisposeAsync() => await _database.DisposeAsync();

    [Fact]
    public async Task Are_found_from_each_side_and_so_they_are_after_a_rebuild()
    {
        await AppendAsync(Number, new LanguageDetermined(Number, "en", "text", At), new CallerAliased(Number, Id, At));

        await ShouldBeFoundAsync();
        await ErasingPeople.ShouldAgreeWithARebuildAsync(_database);
        await ShouldBeFoundAsync();

        async Task ShouldBeFoundAsync()
        {
            (await _aliases.OwnerOfAsync(Id, default)).ShouldBe(Number);
            (await _aliases.OwnerOfAsync(Number, default)).ShouldBe(Number);
            (await _aliases.OwnerOfAsync(Other, default)).ShouldBe(Other);
            (await _aliases.AliasesOfAsync(Number, default)).ShouldBe([Id]);
            (await _aliases.TiesOfAsync(Id, Number, default)).ShouldBe(
                (new CallerTies(Id, Number, HasAliases: false, IsKnown: false), new CallerTies(Number, Owner: null, HasAliases: true, IsKnown: true)));
            (await _aliases.TiesOfAsync(Other, Other, default)).One.ShouldBe(new CallerTies(Other, Owner: null, HasAliases: false, IsKnown: false));
        }
    }

    [Fact]
    public async Task Are_whose_was_told_last_in_whatever_order_it_was_stored()
    {
        await AppendAsync(Other, new CallerAliased(Other, Id, At.AddMinutes(1)));
        await AppendAsync(Number, new CallerAliased(Number, Id, At));

        (await _aliases.OwnerOfAsync(Id, default)).ShouldBe(Other);
        await ErasingPeople.ShouldAgreeWithARebuildAsync(_database);
    }

    [Fact]
    public async Task Are_forgotten_with_the_person_and_can_be_told_anew()
    {
        await AppendAsync(Number, new CallerAliased(Number, Id, At));
        await AppendAsync(Other, new CallerAliased(Other, CallerId.Parse(new string('4', 32)), At));

        await _database.Erasures.EraseAsync(Number, default);

        (await _aliases.OwnerOfAsync(Id, default)).ShouldBe(Id);
        (await _aliases.AliasesOfAsync(Other, default)).Count.ShouldBe(1);
        await AppendAsync(Number, new CallerAliased(Number, Id, DateTimeOffset.UtcNow));
        (await _aliases.OwnerOfAsync(Id, default)).ShouldBe(Number);
        await ErasingPeople.ShouldAgreeWithARebuildAsync(_database);
    }

    private Task AppendAsync(CallerId caller, params ConversationEvent[] events) =>
        _database.Store.AppendAsync(Conversation.StreamId(caller), ExpectedVersion.Any, caller, events, default);
}
