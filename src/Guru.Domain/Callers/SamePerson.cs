namespace Guru.Domain.Callers;

/// <summary>What is on record of an id.</summary>
/// <param name="Owner">Whom it is an alias of; null for none.</param>
/// <param name="HasAliases">Others are aliases of it.</param>
/// <param name="IsKnown">Something was said, written or asked for under it; that it was erased as somebody's alias is no such thing.</param>
public sealed record CallerTies(CallerId Id, CallerId? Owner, bool HasAliases, bool IsKnown);

/// <summary>Who is meant where a phone number and a business-scoped user id come together, as they do in what somebody writes who shows both.</summary>
/// <param name="Alias">What becomes an alias of <paramref name="Caller"/> by that; null for nothing.</param>
public readonly record struct SamePerson(CallerId Caller, CallerId? Alias)
{
    /// <summary>
    /// Whichever Guru knew first is who they are, so that their conversation goes on; of two that are new it is the number. A business-scoped id stays one
    /// person's; a number may have been another's before, whose words are not to be told to who has it now.
    /// </summary>
    public static SamePerson Of(CallerTies number, CallerTies id)
    {
        var (ofNumber, ofId) = (number.Owner ?? number.Id, id.Owner ?? id.Id);
        if (ofNumber == ofId || number.HasAliases)
        {
            return new SamePerson(ofId, Alias: null);
        }

        if (number.Owner is not null)
        {
            return new SamePerson(ofId, number.Id); // Whose it was has it no more: whoever calls from it is not to be told what they said.
        }

        return (id.Owner is not null || id.IsKnown || id.HasAliases, number.IsKnown) switch
        {
            (true, false) => new SamePerson(ofId, number.Id),
            (true, true) when id.Owner is not null || id.HasAliases => new SamePerson(ofId, Alias: null),
            _ => new SamePerson(number.Id, id.Id),
        };
    }
}
