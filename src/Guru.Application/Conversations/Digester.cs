using Guru.Application.Work;
using Guru.Domain.Conversations;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;

namespace Guru.Application.Conversations;

/// <summary>
/// Puts what agents are no longer told word for word into the summary that they are told instead. Nobody waits for it: until it is there,
/// agents are told the words. docs/conversation.md, step 11.
/// </summary>
internal sealed partial class Digester(
    IEventStore store,
    IConversationQueries conversations,
    ITextModel model,
    IOptions<MemorySettings> settings,
    TimeProvider time,
    ILogger<Digester> logger) : IWork
{
    public string Kind => WorkItem.Digest;

    public bool CanWait => true;

    public async Task RunAsync(WorkItem item, CancellationToken cancellationToken)
    {
        var log = new ConversationLog(store, item.CallerId);
        var most = settings.Value.Entries * 2;
        while (true)
        {
            var memory = await conversations.UnsummarizedAsync(item.CallerId, most, cancellationToken);
            if (Digest.Plan(memory, all: memory.Entries.Count < most, time.GetUtcNow(), settings.Value) is not { } plan)
            {
                return;
            }

            var answer = await model.AnswerAsync(Digest.Request(plan, memory.Summary, memory.Language, item.CallerId), cancellationToken);
            var summary = Digest.Read(answer.Text) ?? throw new TextModelException("malformed", transient: true);
            await log.AppendAsync(
                new RecordSummary(new ConversationSummarized(item.CallerId, summary, plan.UpTo, time.GetUtcNow())), cancellationToken);
        }
    }

    /// <summary>The words are still there; with the next message or call it is tried again.</summary>
    public Task GiveUpAsync(WorkItem item, OutsideException error, CancellationToken cancellationToken)
    {
        LogGivenUp(item.CallerId.Value, error.Reason);
        return Task.CompletedTask;
    }

    [LoggerMessage(Level = LogLevel.Warning, Message = "Caller {CallerId}: earlier conversations could not be summarised: {Reason}")]
    private partial void LogGivenUp(string callerId, string reason);
}
