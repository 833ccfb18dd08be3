using Guru.Domain;
using Guru.Domain.Callers;

namespace Guru.Application.Privacy;

/// <summary>The keys that callers' personal data is sealed under.</summary>
public interface IPersonalKeys
{
    /// <summary>Has the keys at hand that an append of something of that time needs, so that it costs one round trip: to be called beside another wait.</summary>
    Task PrepareAsync(CallerId callerId, DateTimeOffset at, IReadOnlyCollection<PersonalDataKind> kinds, CancellationToken cancellationToken);
}
