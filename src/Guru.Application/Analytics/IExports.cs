using Guru.Application.Calls;

namespace Guru.Application.Analytics;

/// <summary>Whole lists, row by row as they are read: any size in constant memory, as of one moment.</summary>
public interface IExports
{
    /// <summary>Oldest first.</summary>
    IAsyncEnumerable<CallSummary> CallsAsync(CallFilter filter, CancellationToken cancellationToken);

    /// <summary>The utterances of these calls, call by call in the order of speech.</summary>
    IAsyncEnumerable<ExportedUtterance> UtterancesAsync(CallFilter filter, CancellationToken cancellationToken);
}

/// <param name="CallStartedAt">When its call began.</param>
public sealed record ExportedUtterance(string CallSid, string? CallerId, DateTimeOffset CallStartedAt, TranscriptLine Line)
{
    public override string ToString() => $"{nameof(ExportedUtterance)} {CallSid} {Line.Id}";
}
