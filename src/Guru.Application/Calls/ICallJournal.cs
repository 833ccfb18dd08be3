using Guru.Domain.Calls;

namespace Guru.Application.Calls;

/// <summary>Keeps the facts of calls on this machine until the database has them, so that they outlive the process.</summary>
public interface ICallJournal
{
    /// <summary>Facts that the database refused for good, on this machine, until a start that can store them.</summary>
    int SetAside { get; }

    /// <summary>Keeps a fact. Never waits and never fails: what cannot be kept is told in the log.</summary>
    IKeptFact Keep(CallSid callSid, CallCommand fact);

    /// <summary>Keeps what would be facts of a call, were the process gone now, in place of what was kept so of it before.</summary>
    void KeepUnfinished(CallSid callSid, IReadOnlyList<CallCommand> facts);

    /// <summary>
    /// What processes left that are gone, and what was set aside; each is this process's until it is disposed. What cannot be read now comes when it can, and with it what
    /// the same process left, since one thing follows from another.
    /// </summary>
    IReadOnlyList<ILeftJournal> TakeOver();
}

/// <summary>A fact in the journal.</summary>
public interface IKeptFact
{
    /// <summary>The database has it.</summary>
    void Stored();

    /// <summary>The database will never take it as it is. It stays here, and the next start tries again.</summary>
    void SetAside();
}

/// <summary>The journal of a process that is gone.</summary>
public interface ILeftJournal : IDisposable
{
    /// <summary>
    /// Facts in the order in which they were kept; some may be stored already. Behind all of them comes what was unfinished at last.
    /// </summary>
    IReadOnlyList<(CallSid CallSid, CallCommand Fact)> Facts { get; }

    /// <summary>The database has all of it, or this process's own journal does.</summary>
    void Delete();
}
