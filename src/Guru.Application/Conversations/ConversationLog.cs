using Guru.Domain.Callers;
using Guru.Domain.Conversations;

namespace Guru.Application.Conversations;

/// <summary>One caller's conversation in writing.</summary>
public sealed class ConversationLog(IEventStore store, CallerId callerId)
    : DecidedStream<Conversation, ConversationCommand, ConversationEvent>(
        store, Rules, Conversation.StreamId(callerId), _ => callerId, isNew: false)
{
    private static readonly Decider<Conversation, ConversationCommand, ConversationEvent> Rules =
        new(Conversation.Empty, Conversation.Apply, Conversation.Decide);
}
