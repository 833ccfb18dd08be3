using Guru.Application.Conversations;
using Guru.Domain.Callers;

namespace Guru.Application.Tests.Voice;

/// <summary>A read model that knows what the test says.</summary>
internal sealed class ScriptedConversations : IConversationQueries
{
    public Memory Memory { get; set; } = Memory.None;

    /// <summary>What the answer waits for.</summary>
    public Task Waits { get; set; } = Task.CompletedTask;

    /// <summary>Done when a caller is looked up.</summary>
    public TaskCompletionSource Asked { get; } = new();

    public async Task<Memory> RememberAsync(CallerId callerId, int most, CancellationToken cancellationToken)
    {
        Asked.TrySetResult();
        await Waits.WaitAsync(cancellationToken);
        return Memory;
    }

    public Task<Memory> UnsummarizedAsync(CallerId callerId, int most, CancellationToken cancellationToken) => throw new NotSupportedException();

    public Task<Page<ConversationSummary>> ListAsync(ConversationFilter filter, int limit, string? cursor, CancellationToken cancellationToken) =>
        throw new NotSupportedException();

    public Task<CallerId?> CallerOfMessageAsync(string messageSid, CancellationToken cancellationToken) => throw new NotSupportedException();

    public Task<ConversationSummary?> FindAsync(CallerId callerId, CancellationToken cancellationToken) => throw new NotSupportedException();

    public Task<Page<TimelineEntry>> TimelineAsync(IReadOnlyList<CallerId> callerIds, TimelineFilter filter, int limit, string? cursor, CancellationToken cancellationToken) =>
        throw new NotSupportedException();
}
