using System.Collections.Immutable;
using Guru.Application.Conversations;
using Guru.Application.Tests.Voice;
using Guru.Domain.Callers;
using Guru.Domain.Conversations;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using Shouldly;

namespace Guru.Application.Tests.Conversations;

public sealed class WritingDuringAnOutage : IAsyncLifetime
{
    private const string One = "whatsapp:+15550001111";
    private const string Other = "whatsapp:+15550002222";
    private const string Id = "whatsapp:US.13491208655302741918";

    private readonly House _house = new();
    private readonly MemoryMessages _waiting = new();
    private readonly KeptLines _log = new();
    private readonly MessageReception _reception;
    private readonly ReceiveWhatsAppMessageHandler _handler;
    private readonly LateMessages _late;

    public WritingDuringAnOutage()
    {
        _reception = new MessageReception(_house.Store, _house.Callers, House.Terms, _house.Time);
        _handler = new ReceiveWhatsAppMessageHandler(_reception, _waiting, _house.Time, NullLogger<ReceiveWhatsAppMessageHandler>.Instance);
        _late = new LateMessages(_waiting, _reception, _house.Time, _log);
    }

    private IEnumerable<string> OnRecord => _house.Store.Of<MessageReceived>().Select(message => message.Text);

    public Task InitializeAsync() => Task.CompletedTask;

    public Task DisposeAsync() => _late.StopAsync(CancellationToken.None);

    [Fact]
    public async Task What_comes_behind_a_message_that_waits_waits_too_and_both_are_stored_in_their_order_as_of_when_they_came()
    {
        _house.Store.IsDown = true;
        await WriteAsync(1, One, "first");
        _house.Time.Jump(TimeSpan.FromMinutes(1));
        _house.Store.IsDown = false;
        await WriteAsync(2, One, "second");
        await WriteAsync(3, Other, "of another");
        OnRecord.ShouldBe(["of another"]);

        _house.Time.Jump(TimeSpan.FromMinutes(1));
        await _late.StartAsync(CancellationToken.None);
        await ManualTime.UntilAsync(() => _waiting.Waiting.Count == 0);
        OnRecord.ShouldBe(["of another", "first", "second"]);
        _house.Store.Of<MessageReceived>().Select(message => message.At - ManualTime.Start).ShouldBe([TimeSpan.FromMinutes(1), TimeSpan.Zero, TimeSpan.FromMinutes(1)]);
    }

    [Fact]
    public async Task What_comes_while_a_message_before_it_is_not_answered_for_does_not_overtake_it_and_neither_does_what_shows_the_persons_id_alone()
    {
        _house.Store.IsStuck = true;
        var first = WriteAsync(1, One, "first", Id);
        _house.Store.IsStuck = false;
        var second = WriteAsync(2, Id, "second");
        await WriteAsync(3, Other, "of another");
        OnRecord.ShouldBe(["of another"]);

        await _house.Time.PassUntilAsync(() => first.IsCompleted && second.IsCompleted);
        await _late.StartAsync(CancellationToken.None);
        await ManualTime.UntilAsync(() => _waiting.Waiting.Count == 0);
        OnRecord.ShouldBe(["of another", "first", "second"]);
    }

    [Theory]
    [InlineData(One)]
    [InlineData(Id)]
    public async Task What_waited_while_the_person_was_erased_by_either_name_brings_back_neither_them_nor_that_both_are_theirs(string erased)
    {
        _house.Store.IsDown = true;
        await WriteAsync(1, One, "first", Id);
        _house.Time.Jump(TimeSpan.FromMinutes(1));
        _house.Store.IsDown = false;
        await EraseAsync(_house.Callers.IdOf(CallerAddress.Parse(erased)));

        await _late.StartAsync(CancellationToken.None);
        await ManualTime.UntilAsync(() => _waiting.Waiting.Count == 0);
        _house.Store.Of<ConversationEvent>().ShouldHaveSingleItem().ShouldBeOfType<CallerErased>();
    }

    [Fact]
    public async Task What_is_stored_while_the_person_is_erased_by_the_name_that_becomes_theirs_by_it_does_not_bring_them_back()
    {
        _house.Store.Refuses = @event =>
        {
            _house.Store.Refuses = _ => false;
            EraseAsync(@event.ShouldBeOfType<CallerAliased>().Alias).GetAwaiter().GetResult();
            return false;
        };
        await WriteAsync(1, One, "first", Id);
        OnRecord.ShouldBeEmpty();
        _waiting.Waiting.ShouldBeEmpty();
    }

    [Fact]
    public async Task A_message_that_the_database_will_never_take_holds_up_nobody()
    {
        _house.Store.IsDown = true;
        await WriteAsync(1, One, "first");
        await WriteAsync(2, One, "second");
        await WriteAsync(3, Other, "of another");
        _house.Store.IsDown = false;
        _house.Store.Refuses = @event => @event is MessageReceived { Text: "first" };
        await _late.StartAsync(CancellationToken.None);
        await ManualTime.UntilAsync(() => _waiting.Waiting.Count == 0);
        OnRecord.ShouldBe(["second", "of another"]);
        _waiting.Aside.ShouldBe(["first"]);
    }

    [Fact]
    public async Task What_is_on_record_already_and_what_is_of_somebody_erased_is_not_told_as_stored()
    {
        _house.Store.IsDown = true;
        await WriteAsync(1, One, "first");
        await WriteAsync(2, Other, "of somebody erased");
        await WriteAsync(3, Other, "of somebody erased", callMe: "REJECTED");
        await WriteAsync(4, "whatsapp:+15550003333", "new");
        _house.Store.IsDown = false;
        await _reception.StoreAsync(_waiting.Waiting[0], CancellationToken.None);
        await EraseAsync(_house.Callers.IdOf(CallerAddress.Parse(Other)));

        await _late.StartAsync(CancellationToken.None);
        await ManualTime.UntilAsync(() => _log.Lines.Count > 0);
        _log.Lines.ShouldHaveSingleItem().ShouldStartWith("4 messages wait in the journal no more: 1 are stored, 1 were on record already, and 2 are dropped");
        OnRecord.ShouldBe(["first", "new"]);
    }

    private Task EraseAsync(CallerId callerId) => _house.Store.AppendAsync(
        Conversation.StreamId(callerId), ExpectedVersion.None, callerId, [new CallerErased(callerId, _house.Time.GetUtcNow())], CancellationToken.None);

    private Task WriteAsync(int number, string from, string text, string? id = null, string? callMe = null) =>
        _handler.Handle(
            new ReceiveWhatsAppMessage(
                $"SM{number:D32}", from, ProfileName: null, text, "text", ButtonText: callMe is null ? null : "VOICE_CALL_REQUEST", MediaUrl: null, MediaType: null,
                Latitude: null, Longitude: null, Place: null, ButtonPayload: callMe, ExternalUserId: id),
            CancellationToken.None);

    private sealed class KeptLines : ILogger<LateMessages>
    {
        private volatile ImmutableList<string> _lines = [];

        public IReadOnlyList<string> Lines => _lines;

        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => true;

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter) =>
            _lines = _lines.Add(formatter(state, exception));
    }

    private sealed class MemoryMessages : IMessageJournal
    {
        private volatile ImmutableList<ReceiveWhatsAppMessage> _kept = [];

        public List<string> Aside { get; } = [];

        public IReadOnlyList<ReceiveWhatsAppMessage> Waiting => _kept;

        public bool HasWaiting(string person) => _kept.Exists(message => message.Person == person);

        public void TakeOver()
        {
        }

        public void Keep(ReceiveWhatsAppMessage message) => _kept = _kept.Add(message);

        public void Stored(ReceiveWhatsAppMessage message) => _kept = _kept.Remove(message);

        public void SetAside(ReceiveWhatsAppMessage message)
        {
            Aside.Add(message.Body!);
            _kept = _kept.Remove(message);
        }
    }
}
