using FluentValidation;
using Guru.Application.Callers;
using Guru.Domain;
using Guru.Domain.Callers;
using MediatR;

namespace Guru.Application.Privacy;

/// <summary>Erases a person. Asked again it does what is left to do, and answers the same.</summary>
/// <param name="Person">A number in E.164 form, a business-scoped user id, or a callerId.</param>
/// <returns>Null where nobody of that name is known.</returns>
public sealed record ForgetCaller(string Person) : IRequest<ErasureCertificate?>
{
    public override string ToString() => nameof(ForgetCaller);
}

/// <summary>What was destroyed, where and when; without personal data.</summary>
/// <param name="CallerId">The keyed hash that the events know the person by.</param>
/// <param name="Keys">How many keys were destroyed: what they had sealed can be read nowhere any more.</param>
/// <param name="Calls">How many calls were theirs.</param>
/// <param name="Event">The place of CallerErased in the log.</param>
/// <param name="Tables">Every table that had rows of the person or of their calls.</param>
/// <param name="Stores">What else was gone through.</param>
/// <param name="Unread">Files of this node in which something of the person may be, since they could not be looked into.</param>
public sealed record ErasureCertificate(
    string CallerId, DateTimeOffset ErasedAt, EventPlace Event, long Keys, int Calls, IReadOnlyList<ErasedRows> Tables, IReadOnlyList<string> Stores,
    IReadOnlyList<string> Unread);

internal sealed class ForgetCallerValidator : AbstractValidator<ForgetCaller>
{
    public ForgetCallerValidator() =>
        RuleFor(request => request.Person).Must(person => CallerAddress.TryParse(person, out _) || CallerId.TryParse(person, out _))
            .WithName("person").WithMessage("A phone number in E.164 form, a business-scoped user id, or a callerId belongs at the end of the path.");
}

public sealed class ForgetCallerHandler(IErasures erasures, ErasureFollower follower, IEnumerable<IPersonalStore> stores, CallerNames callers, ICallerAliases aliases)
    : IRequestHandler<ForgetCaller, ErasureCertificate?>
{
    public const string KeysTable = "guru_keys.keys";

    /// <exception cref="RuleException">A call of the person goes on.</exception>
    /// <exception cref="ReadModelsOutdatedException">It would be incomplete.</exception>
    public async Task<ErasureCertificate?> Handle(ForgetCaller request, CancellationToken cancellationToken)
    {
        if (!await erasures.CanTellWhoseAsync(cancellationToken))
        {
            throw new ReadModelsOutdatedException();
        }

        var callerId = await callers.OfAsync(
            CallerAddress.TryParse(request.Person, out var address) ? callers.IdOf(address) : CallerId.Parse(request.Person), cancellationToken);

        var (erased, gone) = (new List<ErasedPerson>(), new HashSet<CallerId>());
        ErasedPerson own;
        do
        {
            // First what is theirs under other ids: once they are erased, nobody knows any more that it was. Who writes meanwhile may have shown another.
            while ((await aliases.AliasesOfAsync(callerId, cancellationToken)).Where(gone.Add).ToList() is { Count: > 0 } others)
            {
                foreach (var alias in others)
                {
                    // Also where nothing was ever told under it: what was written under it and waits must find that they are erased.
                    erased.Add(await EraseAsync(alias, await erasures.FindAsync(alias, cancellationToken) ?? KnownPerson.ByNameAlone, cancellationToken));
                }
            }

            var isInAStore = IsInAStore(callerId); // Asked first, since what waits is on record before it is removed there.
            var known = await erasures.FindAsync(callerId, cancellationToken);
            if (known is null && !isInAStore && erased.Count == 0)
            {
                return null;
            }

            own = await EraseAsync(callerId, known ?? KnownPerson.ByNameAlone, cancellationToken);
            erased.Add(own);
            gone.Add(callerId);
            callerId = await callers.OfAsync(callerId, cancellationToken);
        }
        while (!gone.Contains(callerId)); // Meanwhile they may have shown another id that they are known by, and be that one from now on.

        var tables = erased.SelectMany(person => person.Tables).GroupBy(rows => rows.Table, StringComparer.Ordinal)
            .Select(rows => new ErasedRows(rows.Key, rows.Sum(of => of.Removed), rows.Sum(of => of.Kept))).OrderBy(rows => rows.Table, StringComparer.Ordinal).ToList();
        return new ErasureCertificate(
            callerId.Value, own.At, own.Event, tables.Find(rows => rows.Table == KeysTable)?.Removed ?? 0, erased.Sum(person => person.Calls), tables,
            [.. stores.Select(store => store.Name)], [.. stores.SelectMany(store => store.Unread.Select(file => $"{store.Name}/{file}"))]);
    }

    private bool IsInAStore(CallerId callerId) => stores.Any(store => store.HasOf(callerId));

    private async Task<ErasedPerson> EraseAsync(CallerId callerId, KnownPerson known, CancellationToken cancellationToken)
    {
        var erased = await erasures.EraseAsync(callerId, IsInAStore(callerId), cancellationToken);
        await follower.FinishAsync(new Erasure(callerId, erased.At), known.CallSids, cancellationToken);
        return erased;
    }
}
