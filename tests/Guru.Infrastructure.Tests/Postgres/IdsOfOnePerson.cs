using Guru.Application;
using Guru.Application.Callers;
using Guru.Application.Conversations;
using Guru.Application.Privacy;
using Guru.Domain.Callers;
using Guru.Domain.Conversations;
using Guru.Infrastructure.Journal;
using Guru.Infrastructure.Postgres;
using Guru.Infrastructure.Privacy;
using Guru.Infrastructure.Tests.Privacy;
using Microsoft.Extensions.Logging.Abstractions;
using Shouldly;

namespace Guru.Infrastructure.Tests.Postgres;

[Collection(RebuildingCollection.Name)]
public sealed class IdsOfOnePerson(PostgresFixture postgres) : IAsyncLifetime
{
    private static readonly CallerId Number = CallerId.Parse(new string('1', 32));
    private static readonly CallerId Id = CallerId.Parse(new string('2', 32));
    private static readonly CallerId Other = CallerId.Parse(new string('3', 32));
    private static readonly ServerSecret Secret = new(new byte[32]);
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
    public async Task Are_followed_over_an_alias_of_an_alias_to_the_person()
    {
        var last = CallerId.Parse(new string('4', 32));
        await AppendAsync(Number, new CallerAliased(Number, Id, At));
        await AppendAsync(Other, new CallerAliased(Other, Number, At.AddMinutes(1)));
        await AppendAsync(last, new CallerAliased(last, Other, At.AddMinutes(2)));

        foreach (var id in (CallerId[])[Id, Number, Other, last])
        {
            (await _aliases.OwnerOfAsync(id, default)).ShouldBe(last);
        }

        (await _aliases.AliasesOfAsync(last, default)).ShouldBe([Id, Number, Other]);
        (await _aliases.TiesOfAsync(Id, last, default)).ShouldBe(
            (new CallerTies(Id, last, HasAliases: false, IsKnown: false), new CallerTies(last, Owner: null, HasAliases: true, IsKnown: true)));
    }

    [Fact]
    public async Task Are_anothers_since_a_message_was_sent_and_what_the_carrier_says_of_it_stays_with_whom_it_was_written_to()
    {
        var callers = new CallerNames(_database.Store, _aliases, Secret);
        var number = callers.IdOf(CallerAddress.Parse("+15550600009"));
        var (known, unknown) = ($"SM{new string('a', 32)}", $"SM{new string('b', 32)}");
        await AppendAsync(Id, new CallerAliased(Id, number, At), new MessageReplied(["SM1"], Id, [known], "general", "To the one who had the number.", At));
        await AppendAsync(Other, new CallerAliased(Other, number, At.AddMinutes(1)));
        var handler = new RecordMessageDeliveryHandler(_database.Store, new ConversationQueries(_database.DataSource), callers, TimeProvider.System);

        foreach (var message in (string[])[known, known, unknown])
        {
            await handler.Handle(new RecordMessageDelivery(message, "whatsapp:+15550600009", "delivered", ErrorCode: null), default);
        }

        (await DeliveredAsync(Id)).ShouldBe([known]);
        (await DeliveredAsync(Other)).ShouldBe([unknown]);

        async Task<IEnumerable<string>> DeliveredAsync(CallerId caller) =>
            (await _database.Store.ReadAsync(Conversation.StreamId(caller), 1, default)).Select(stored => stored.Data).OfType<MessageDeliveryChanged>().Select(told => told.MessageSid);
    }

    [Fact]
    public async Task Are_one_person_also_where_they_go_round_in_a_circle()
    {
        await AppendAsync(Number, new CallerAliased(Number, Id, At));
        await AppendAsync(Other, new CallerAliased(Other, Number, At));
        await AppendAsync(Id, new CallerAliased(Id, Other, At));

        foreach (var id in (CallerId[])[Id, Number, Other])
        {
            (await _aliases.OwnerOfAsync(id, default)).ShouldBe(Number);
        }

        (await _aliases.AliasesOfAsync(Number, default)).ShouldBe([Id, Other], ignoreOrder: true);
    }

    /// <summary>Who erases asks again before the person themselves is erased.</summary>
    [Fact]
    public async Task Are_forgotten_with_the_person_also_where_they_were_told_meanwhile()
    {
        (await _database.Rebuild.IsDueAsync(default)).ShouldBeFalse(); // As at the start of a Guru.
        await AppendAsync(Number, new LanguageDetermined(Number, "en", "text", At), new CallerAliased(Number, Id, At));
        await AppendAsync(Id, new LanguageDetermined(Id, "en", "text", At));
        await AppendAsync(Other, new LanguageDetermined(Other, "en", "text", At));
        var meanwhile = new Meanwhile(_aliases, () => AppendAsync(Number, new CallerAliased(Number, Other, At.AddMinutes(1))));

        (await ForgetAsync(Number, meanwhile)).ShouldNotBeNull();

        (await ErasedAsync()).ShouldBe([Id, Other, Number]);
    }

    /// <summary>It had been looked up whose it is.</summary>
    [Fact]
    public async Task Are_forgotten_with_the_person_also_where_the_one_that_was_asked_for_became_an_alias_meanwhile()
    {
        (await _database.Rebuild.IsDueAsync(default)).ShouldBeFalse(); // As at the start of a Guru.
        await AppendAsync(Number, new LanguageDetermined(Number, "en", "text", At));
        await AppendAsync(Id, new LanguageDetermined(Id, "en", "text", At));
        var meanwhile = new Meanwhile(_aliases, () => AppendAsync(Number, new CallerAliased(Number, Id, At.AddMinutes(1))));

        (await ForgetAsync(Id, meanwhile))!.CallerId.ShouldBe(Number.Value);

        (await ErasedAsync()).ShouldBe([Id, Number]);
    }

    /// <summary>WhatsApp's limits of asking and calling are counted where they are known.</summary>
    [Fact]
    public async Task Are_those_of_the_same_person_again_once_they_are_forgotten_and_come_back()
    {
        (await _database.Rebuild.IsDueAsync(default)).ShouldBeFalse(); // As at the start of a Guru.
        await AppendAsync(Id, new LanguageDetermined(Id, "en", "text", At), new CallerAliased(Id, Number, At));
        await ForgetAsync(Id, _aliases);

        var (number, id) = await _aliases.TiesOfAsync(Number, Id, default);

        SamePerson.Of(number, id).ShouldBe(new SamePerson(Id, Alias: Number));
    }

    /// <summary>So that what was written under one and waits elsewhere is not put on record.</summary>
    [Fact]
    public async Task Are_forgotten_with_the_person_also_where_nothing_was_told_under_them_and_asked_again_by_one_that_is_known()
    {
        (await _database.Rebuild.IsDueAsync(default)).ShouldBeFalse(); // As at the start of a Guru.
        await AppendAsync(Number, new CallerAliased(Number, Id, At));

        (await ForgetAsync(Id, _aliases))!.CallerId.ShouldBe(Number.Value);

        (await ErasedAsync()).ShouldBe([Id, Number]);
        (await _aliases.TiesOfAsync(Id, Number, default)).ShouldBe(
            (new CallerTies(Id, Owner: null, HasAliases: false, IsKnown: false), new CallerTies(Number, Owner: null, HasAliases: false, IsKnown: true)));
        (await ForgetAsync(Id, _aliases)).ShouldNotBeNull();
        (await ErasedAsync()).ShouldBe([Id, Number]);
        (await ForgetAsync(Other, _aliases)).ShouldBeNull();
    }

    /// <summary>Whether they were forgotten before or not.</summary>
    [Fact]
    public async Task Are_forgotten_with_who_is_known_by_nothing_but_a_message_that_waits()
    {
        (await _database.Rebuild.IsDueAsync(default)).ShouldBeFalse(); // As at the start of a Guru.
        using var directory = new TemporaryDirectory();
        using var journal = new MessageJournal(directory.Sub("data"), Secret, new JournalOptions(), NullLogger<MessageJournal>.Instance);
        var message = new ReceiveWhatsAppMessage(
            $"SM{1:D32}", "whatsapp:+15550600010", ProfileName: null, "words", "text", ButtonText: null, MediaUrl: null, MediaType: null, Latitude: null, Longitude: null, Place: null);
        var person = CallerId.Of(CallerAddress.Parse(message.From!), Secret.Value);

        var before = DateTimeOffset.MinValue;
        foreach (var sid in (string[])[$"SM{1:D32}", $"SM{2:D32}"])
        {
            journal.Keep(message with { MessageSid = sid, ReceivedAt = DateTimeOffset.UtcNow });
            var certificate = (await ForgetAsync(person, _aliases, journal))!;
            certificate.ErasedAt.ShouldBeGreaterThan(before);
            journal.Waiting.ShouldBeEmpty();
            before = certificate.ErasedAt;
        }

        (await ErasedAsync()).ShouldBe([person]);
        (await ForgetAsync(Other, _aliases, journal)).ShouldBeNull();
    }

    /// <summary>A backup has no read models: nobody is erased by halves before they are made anew.</summary>
    [Fact]
    public async Task Are_forgotten_with_the_person_after_a_backup_was_put_back_once_it_is_known_again_which_they_are()
    {
        await AppendAsync(Number, new LanguageDetermined(Number, "en", "text", At), new CallerAliased(Number, Id, At));
        await AppendAsync(Id, new LanguageDetermined(Id, "en", "text", At));
        await _database.ExecuteAsync($"truncate guru.read_models, {string.Join(", ", TestDatabase.Live.Tables.Select(table => $"guru.{table}"))}");

        await Should.ThrowAsync<ReadModelsOutdatedException>(() => ForgetAsync(Number, _aliases));
        await _database.Rebuild.RebuildDueAsync(progress: null, default);
        await ForgetAsync(Number, _aliases);

        (await ErasedAsync()).ShouldBe([Id, Number]);
    }

    [Fact]
    public async Task Are_forgotten_with_the_person_and_can_be_told_anew()
    {
        await AppendAsync(Number, new CallerAliased(Number, Id, At));
        await AppendAsync(Other, new CallerAliased(Other, CallerId.Parse(new string('4', 32)), At));

        await _database.Erasures.EraseAsync(Number, isKnownElsewhere: false, default);

        (await _aliases.OwnerOfAsync(Id, default)).ShouldBe(Id);
        (await _aliases.AliasesOfAsync(Other, default)).Count.ShouldBe(1);
        await AppendAsync(Number, new CallerAliased(Number, Id, DateTimeOffset.UtcNow));
        (await _aliases.OwnerOfAsync(Id, default)).ShouldBe(Number);
        await ErasingPeople.ShouldAgreeWithARebuildAsync(_database);
    }

    private async Task<ErasureCertificate?> ForgetAsync(CallerId person, ICallerAliases aliases, params IPersonalStore[] stores)
    {
        using var directory = new TemporaryDirectory();
        using var list = new ErasureListFile(directory.Sub("erasures"), "node");
        var forgets = new ForgetCallerHandler(
            _database.Erasures,
            new ErasureFollower(_database.Erasures, list, stores, TimeProvider.System, NullLogger<ErasureFollower>.Instance),
            stores,
            new CallerNames(_database.Store, aliases, Secret),
            aliases);
        return await forgets.Handle(new ForgetCaller(person.Value), default);
    }

    private async Task<IEnumerable<CallerId>> ErasedAsync() =>
        (await _database.Erasures.ListAsync(DateTimeOffset.MinValue, default)).Select(erasure => erasure.CallerId);

    /// <summary>Something happens right after the aliases were asked for the first time.</summary>
    private sealed class Meanwhile(ICallerAliases aliases, Func<Task> happens) : ICallerAliases
    {
        private bool _happened;

        public Task<CallerId> OwnerOfAsync(CallerId id, CancellationToken cancellationToken) => aliases.OwnerOfAsync(id, cancellationToken);

        public Task<(CallerTies One, CallerTies Other)> TiesOfAsync(CallerId one, CallerId other, CancellationToken cancellationToken) =>
            aliases.TiesOfAsync(one, other, cancellationToken);

        public async Task<IReadOnlyList<CallerId>> AliasesOfAsync(CallerId owner, CancellationToken cancellationToken)
        {
            var known = await aliases.AliasesOfAsync(owner, cancellationToken);
            await (_happened ? Task.CompletedTask : happens());
            _happened = true;
            return known;
        }
    }

    private Task AppendAsync(CallerId caller, params ConversationEvent[] events) =>
        _database.Store.AppendAsync(Conversation.StreamId(caller), ExpectedVersion.Any, caller, events, default);
}
