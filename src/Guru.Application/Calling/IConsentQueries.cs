using Guru.Domain.Callers;

namespace Guru.Application.Calling;

/// <summary>The consent ledger as analysts and operators see it.</summary>
public interface IConsentQueries
{
    /// <summary>Null for somebody of whom there is nothing.</summary>
    /// <param name="callerIds">All their ids, the one that they are known by first: what was permitted under it stands.</param>
    Task<ConsentLedger?> FindAsync(IReadOnlyList<CallerId> callerIds, CancellationToken cancellationToken);
}

/// <param name="Permission">none, granted, expired, declined or revoked; erased for who is forgotten.</param>
/// <param name="GrantId">The grant that stands, or stood last.</param>
/// <param name="ExpiresAt">Null for a permission that is permanent, or none.</param>
/// <param name="Entries">Oldest first.</param>
public sealed record ConsentLedger(string CallerId, string Permission, string? GrantId, DateTimeOffset? ExpiresAt, IReadOnlyList<ConsentEntry> Entries);

/// <summary>One event; what it does not tell is null.</summary>
/// <param name="Type">The event's name, such as CallPermissionGranted.</param>
/// <param name="GrantId">The grant, or the one that allowed the call.</param>
/// <param name="ExpiresAt">Of a permission; of a request for a call, by when it had to be placed.</param>
/// <param name="DueAt">When a call was to be placed, or is possible again.</param>
/// <param name="Reasons">Codes.</param>
/// <param name="Note">Why somebody was to be called, the template, or the rules.</param>
public sealed record ConsentEntry(
    DateTimeOffset At,
    string Type,
    string? RequestId,
    string? GrantId,
    string? MessageSid,
    string? CallSid,
    DateTimeOffset? ExpiresAt,
    DateTimeOffset? DueAt,
    IReadOnlyList<string> Reasons,
    string? Outcome,
    int? ErrorCode,
    string? Note)
{
    public override string ToString() => $"{nameof(ConsentEntry)} {Type}";
}
