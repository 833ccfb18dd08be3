using Guru.Application.Conversations;
using Guru.Domain.Callers;
using Guru.Domain.Conversations;

namespace Guru.Application.Callers;

/// <summary>Who is meant by an address: its keyed hash, or whom that is an alias of.</summary>
public sealed class CallerNames(IEventStore store, ICallerAliases aliases, ServerSecret secret, TimeProvider time)
{
    /// <summary>The address' own id, whoever that is an alias of.</summary>
    public CallerId IdOf(CallerAddress address) => CallerId.Of(address, secret.Value);

    public Task<CallerId> OfAsync(CallerAddress address, CancellationToken cancellationToken) => OfAsync(IdOf(address), cancellationToken);

    public Task<CallerId> OfAsync(CallerId id, CancellationToken cancellationToken) => aliases.OwnerOfAsync(id, cancellationToken);

    /// <summary>Of somebody who shows a phone number and a business-scoped user id; from then on each stands for the same person.</summary>
    public async Task<CallerId> OfAsync(CallerAddress number, CallerAddress id, CancellationToken cancellationToken)
    {
        var (ofNumber, ofId) = await aliases.TiesOfAsync(IdOf(number), IdOf(id), cancellationToken);
        var person = SamePerson.Of(ofNumber, ofId);
        if (person.Alias is { } alias)
        {
            await new ConversationLog(store, person.Caller).AppendAsync(new AliasCaller(person.Caller, alias, time.GetUtcNow()), cancellationToken);
        }

        return person.Caller;
    }
}
