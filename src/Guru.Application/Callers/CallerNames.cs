using Guru.Application.Conversations;
using Guru.Domain.Callers;
using Guru.Domain.Conversations;

namespace Guru.Application.Callers;

/// <summary>Who is meant by an address: its keyed hash, or whom that is an alias of.</summary>
public sealed class CallerNames(IEventStore store, ICallerAliases aliases, ServerSecret secret)
{
    /// <summary>The address' own id, whoever that is an alias of.</summary>
    public CallerId IdOf(CallerAddress address) => CallerId.Of(address, secret.Value);

    public Task<CallerId> OfAsync(CallerAddress address, CancellationToken cancellationToken) => OfAsync(IdOf(address), cancellationToken);

    public Task<CallerId> OfAsync(CallerId id, CancellationToken cancellationToken) => aliases.OwnerOfAsync(id, cancellationToken);

    /// <summary>All ids of a person, the one that they are known by first.</summary>
    /// <param name="owner">That one, as of <see cref="OfAsync(CallerId, CancellationToken)"/>.</param>
    public async Task<IReadOnlyList<CallerId>> IdsOfAsync(CallerId owner, CancellationToken cancellationToken) =>
        [owner, .. await aliases.AliasesOfAsync(owner, cancellationToken)];

    /// <summary>Of somebody who shows a phone number and a business-scoped user id; from then on each stands for the same person.</summary>
    /// <param name="at">When they did.</param>
    /// <returns>Null where they were erased since under what would stand for them: nothing of theirs from before may be put on record.</returns>
    public async Task<CallerId?> OfAsync(CallerAddress number, CallerAddress id, DateTimeOffset at, CancellationToken cancellationToken)
    {
        var (ofNumber, ofId) = await aliases.TiesOfAsync(IdOf(number), IdOf(id), cancellationToken);
        var person = SamePerson.Of(ofNumber, ofId);
        if (person.Alias is { } alias)
        {
            if (await IsErasedSinceAsync(alias, at, cancellationToken))
            {
                return null;
            }

            await new ConversationLog(store, person.Caller).AppendAsync(new AliasCaller(person.Caller, alias, at), cancellationToken);
            if (await IsErasedSinceAsync(alias, at, cancellationToken))
            {
                return null; // Whoever erases the alias from now on erases the person: only up to here it might have been erased alone.
            }
        }

        return person.Caller;
    }

    private async Task<bool> IsErasedSinceAsync(CallerId id, DateTimeOffset at, CancellationToken cancellationToken)
    {
        var log = new ConversationLog(store, id);
        await log.ReadAsync(cancellationToken);
        return log.State.ErasedAt >= at;
    }
}
