using Guru.Application.Conversations;
using Guru.Domain.Callers;

namespace Guru.Application.Tests.Voice;

/// <summary>A read model that knows what the test says.</summary>
internal sealed class ScriptedConversations : IConversationQueries
{
    public Memory Memory { get; set; } = Memory.None;

    public Task<Memory> RememberAsync(CallerId callerId, int most, CancellationToken cancellationToken) => Task.FromResult(Memory);

    public Task<Memory> UnsummarizedAsync(CallerId callerId, int most, CancellationToken cancellationToken) => throw new NotSupportedException();

    public Task<Page<ConversationSummary>> ListAsync(CallerId? callerId, int limit, string? cursor, CancellationToken cancellationToken) =>
        throw new NotSupportedException();

    public Task<ConversationSummary?> FindAsync(CallerId callerId, CancellationToken cancellationToken) => throw new NotSupportedException();

    public Task<Page<TimelineEntry>> TimelineAsync(CallerId callerId, int limit, string? cursor, CancellationToken cancellationToken) =>
        throw new NotSupportedException();
}
