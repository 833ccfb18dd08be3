using System.Collections.Immutable;
using Guru.Domain.Callers;
using Guru.Domain.Calls;
using Guru.Domain.Conversations;
using Guru.Infrastructure.Calling;

namespace Guru.Infrastructure.Tests.Postgres;

/// <summary>Conversations as they may go, by the same callers as <see cref="RandomCalls"/>; equal for an equal seed.</summary>
internal sealed class RandomConversations(int seed)
{
    private static readonly DateTimeOffset Origin = new(2026, 3, 30, 23, 0, 0, TimeSpan.Zero);
    private static readonly string[] Words = ["Bonjou", "bill", "¿cuánto?", "no\0", "👋🏽", "\uD800", "it's \"due\"", "ok\n"];
    private static readonly CallingRules Rules = CallingRulesFile.Load();
    private readonly Random _random = new(seed);

    public IEnumerable<RandomConversation> Take(int count) => Enumerable.Range(0, count).Select(Next);

    private RandomConversation Next(int number)
    {
        var caller = CallerId.Parse($"{_random.Next(50):x32}");
        var commands = new List<ConversationCommand>();
        var at = Origin.AddMinutes(_random.Next(60 * 72)).AddTicks(_random.Next());
        for (var turn = 0; turn < _random.Next(1, 6); turn++)
        {
            var sid = $"SM{seed}_{number}_{turn}";
            var kind = Pick(Enum.GetValues<MessageKind>());
            commands.Add(new ReceiveMessage(new MessageReceived(
                sid, caller, $"+1555{_random.Next(1_000_000):0000000}", Pick(["Maria", null]), kind, kind == MessageKind.VoiceNote ? "" : Sentence(),
                MediaUrl: null, MediaType: null, at = Later(at))));
            commands.Add(new RecordTranscript(new VoiceNoteTranscribed(sid, caller, Sentence(), Pick(["es", null]), Understood: true, at = Later(at))));
            commands.Add(new SelectAgent(new AgentSelected(
                sid, caller, Pick(["general", "legal", "healthcare"]), _random.NextDouble(), Sentence(), ["general"], "1", at = Later(at))));
            commands.Add(new DetermineLanguage(new LanguageDetermined(caller, Pick(["en", "es", "ht"]), "text", at)));
            if (_random.Next(4) == 0)
            {
                commands.Add(new RecordSummary(new ConversationSummarized(caller, Sentence(), at.AddSeconds(-_random.Next(1_000)), at)));
            }

            ImmutableArray<string> parts = [.. Enumerable.Range(0, _random.Next(4)).Select(part => $"{sid}_{part}")];
            commands.Add(_random.Next(4) > 0
                ? new RecordReply(new MessageReplied([sid], caller, parts, "legal", Sentence(), at = Later(at)))
                : new GiveUpReply(new MessageReplyFailed([sid], caller, "timeout", at = Later(at)) { ReplySids = parts, Agent = "legal", Text = Sentence() }));
            commands.Add(Pick<ConversationCommand>(
            [
                new RecordSent(new MessageSent("callSummary", $"CA{turn}", caller, [$"{sid}_own"], "legal", Sentence(), at)),
                new RecordNotSent(new MessageNotSent("callSummary", $"CA{turn}", caller, "windowClosed", at)),
            ]));
            foreach (var part in parts.Append("SMelse").Append($"{sid}_own"))
            {
                commands.AddRange(Enumerable.Range(0, _random.Next(4)).Select(_ => new RecordDelivery(new MessageDeliveryChanged(
                    part, caller, Pick(Enum.GetValues<DeliveryStatus>()), Pick<int?>([null, 63_016]), at))));
            }
        }

        var callBack = $"{seed}_{number}";
        commands.Add(new GrantByCall(CallSid.Parse($"CA{_random.NextInt64():x32}"), caller, "+233201234567", Rules, at));
        commands.Add(new AnswerPermission($"SMno{callBack}", caller, "+233201234567", Accepted: false, Permanent: false, Rules, at));
        commands.Add(new ProposeCallBack(new CallBackProposed(callBack, caller, at.AddDays(1), "Africa/Accra", Agent: null, Sentence(), at, "+15550100001")));
        commands.Add(new ConfirmCallBack(callBack, caller, at));

        // Deliveries come before their reply, and transcripts after it.
        for (var swap = 0; swap < commands.Count / 2; swap++)
        {
            var (one, other) = (_random.Next(commands.Count), _random.Next(commands.Count));
            (commands[one], commands[other]) = (commands[other], commands[one]);
        }

        return new RandomConversation(caller, [.. Outcomes(commands)]);
    }

    private static IEnumerable<IReadOnlyList<ConversationEvent>> Outcomes(IEnumerable<ConversationCommand> commands)
    {
        var conversation = Conversation.Empty;
        foreach (var command in commands)
        {
            var events = Conversation.Decide(conversation, command);
            conversation = events.Aggregate(conversation, Conversation.Apply);
            if (events.Count > 0)
            {
                yield return events;
            }
        }
    }

    private string Sentence() => string.Join(' ', Enumerable.Range(0, _random.Next(8)).Select(_ => Pick(Words)));

    private DateTimeOffset Later(DateTimeOffset at) => at.AddMilliseconds(_random.Next(20_000));

    private T Pick<T>(IReadOnlyList<T> among) => among[_random.Next(among.Count)];
}

/// <param name="Appends">The events, by the command that caused them.</param>
internal sealed record RandomConversation(CallerId Caller, IReadOnlyList<IReadOnlyList<ConversationEvent>> Appends);
