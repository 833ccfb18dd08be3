using Guru.Domain.Callers;

namespace Guru.Application.Work;

/// <summary>
/// What must still happen because of an event. A projection adds the row in the event's transaction; any node claims it for a
/// while, and another takes over when that node dies.
/// </summary>
public interface IWorkQueue
{
    /// <summary>Claims the item that has been due longest, or nothing.</summary>
    /// <param name="lease">Until when nobody else gets it.</param>
    /// <param name="except">Kinds that are left to others.</param>
    Task<WorkItem?> ClaimAsync(TimeSpan lease, CancellationToken cancellationToken, params string[] except);

    /// <summary>Keeps it for longer: it is being worked on.</summary>
    /// <exception cref="LeaseLostException">Somebody else has it now.</exception>
    Task RenewAsync(WorkItem item, TimeSpan lease, CancellationToken cancellationToken);

    /// <summary>Keeps what is about to be done, so that who takes over can look whether it was.</summary>
    /// <exception cref="LeaseLostException">Somebody else has it now.</exception>
    Task SaveIntentAsync(WorkItem item, string? intent, TimeSpan lease, CancellationToken cancellationToken);

    /// <summary>Puts it back after it failed, for later.</summary>
    /// <param name="error">A code, for the operator; never a person's words.</param>
    /// <exception cref="LeaseLostException">Somebody else has it now.</exception>
    Task RetryAsync(WorkItem item, TimeSpan after, string error, CancellationToken cancellationToken);

    /// <summary>Puts it back without a failure: this node cannot do it.</summary>
    /// <exception cref="LeaseLostException">Somebody else has it now.</exception>
    Task ReleaseAsync(WorkItem item, TimeSpan after, CancellationToken cancellationToken);

    /// <summary>It is done. Where the event that asks for it has happened again since it was claimed, it is due again at once.</summary>
    /// <exception cref="LeaseLostException">Somebody else has it now.</exception>
    Task CompleteAsync(WorkItem item, CancellationToken cancellationToken);

    /// <summary>What is due or failed and waits to be tried again, by kind.</summary>
    Task<IReadOnlyList<WorkCount>> CountAsync(CancellationToken cancellationToken);
}

/// <param name="Kind">What is to be done: reply, summary, digest.</param>
/// <param name="Subject">What it is about: the caller's id for a reply and a digest, the call's SID for a summary.</param>
/// <param name="Attempts">How often it failed, nodes that died over it included.</param>
/// <param name="Intent">What an earlier claim was about to do; JSON.</param>
/// <param name="Round">How often the event had happened when it was claimed.</param>
public sealed record WorkItem(string Id, string Kind, CallerId CallerId, string Subject, int Attempts, string? Intent, DateTimeOffset? IntentAt, long Round, Guid Lease)
{
    public const string Reply = "reply";

    /// <summary>Of a call, for its caller.</summary>
    public const string Summary = "summary";

    /// <summary>Of what a caller said and was told earlier, for the agents.</summary>
    public const string Digest = "digest";

    /// <summary>A person is asked for permission to call; the subject is the request.</summary>
    public const string Permission = "permission";

    /// <summary>A call is placed; the subject is the request, or the call-back.</summary>
    public const string Call = "call";

    /// <summary>What is left to do when a call is over, or was never had; the subject is the call.</summary>
    public const string FollowUp = "followUp";

    /// <summary>What a person said or wrote has been kept for long enough.</summary>
    public const string Retention = "retention";
}

/// <param name="Oldest">How long the one that has been due longest has been so.</param>
public sealed record WorkCount(string Kind, long Items, TimeSpan Oldest);

public sealed class LeaseLostException(string id) : Exception($"The work item {id} is somebody else's now.");
