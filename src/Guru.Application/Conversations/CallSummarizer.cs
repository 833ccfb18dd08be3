using Guru.Application.Calls;
using Guru.Application.Work;
using Guru.Domain.Agents;
using Guru.Domain.Calls;
using Guru.Domain.Conversations;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;

namespace Guru.Application.Conversations;

/// <summary>
/// When a call is over: writes down what it came to, and sends it to the caller. Each step is on record before the next, so that
/// another node goes on where this one died. docs/conversation.md, steps 9 and 10.
/// </summary>
internal sealed partial class CallSummarizer(
    IEventStore store,
    ITextModel model,
    AgentCatalog agents,
    Outbox outbox,
    IOptions<MessageRules> rules,
    TimeProvider time,
    ILogger<CallSummarizer> logger) : IWork
{
    private readonly Notice _notice = new("callSummary", store, outbox, time);

    public string Kind => WorkItem.Summary;

    public bool CanWait => true;

    public async Task RunAsync(WorkItem item, CancellationToken cancellationToken)
    {
        var call = new CallLog(store, CallSid.Parse(item.Subject));
        var events = await call.ReadAsync(cancellationToken);
        await TellLanguageAsync(item, events, cancellationToken);
        var turns = events.OfType<UtteranceTranscribed>().Where(turn => !string.IsNullOrWhiteSpace(turn.Heard)).OrderBy(turn => turn.StartMs).ToList();
        if (call.State.Summary is null && turns.Exists(turn => turn.Speaker == Speaker.Caller))
        {
            await SummarizeAsync(item, call, turns, cancellationToken);
        }

        // Without words it was erased meanwhile.
        if (rules.Value.SummaryAfterCall && call.State.Summary is { Summary.Length: > 0 } summary)
        {
            await SendAsync(item, events, call.State.Agent, summary, cancellationToken);
        }
    }

    public async Task GiveUpAsync(WorkItem item, OutsideException error, CancellationToken cancellationToken)
    {
        await _notice.GiveUpAsync(item, error, cancellationToken);
        LogGivenUp(item.Subject, error.Reason);
    }

    /// <summary>What the caller turned out to speak is told to their conversation behind the call's own record: a node that died in between did not come to it.</summary>
    private async Task TellLanguageAsync(WorkItem item, IReadOnlyList<CallEvent> call, CancellationToken cancellationToken)
    {
        if (call.OfType<CallLanguageDetermined>().LastOrDefault() is not { } told)
        {
            return;
        }

        var log = new ConversationLog(store, item.CallerId);
        var events = await log.ReadAsync(cancellationToken);
        if (!events.Any(known => known is LanguageDetermined or CallerErased && known.At >= told.At))
        {
            await log.AppendAsync(new DetermineLanguage(new LanguageDetermined(item.CallerId, told.Language, told.Evidence, told.At)), cancellationToken);
        }
    }

    private async Task SummarizeAsync(WorkItem item, CallLog call, IReadOnlyList<UtteranceTranscribed> turns, CancellationToken cancellationToken)
    {
        var (agent, language) = (agents[call.State.Agent], call.State.Language);
        var answer = await model.AnswerAsync(CallSummary.Request(agent, language, turns, item.CallerId), cancellationToken);
        var summary = CallSummary.Read(answer.Text, language, turns, time.GetUtcNow()) ?? throw new TextModelException("malformed", transient: true);
        await call.AppendAsync(new RecordCallSummary(summary), cancellationToken);
    }

    private async Task SendAsync(WorkItem item, IEnumerable<CallEvent> call, string agent, CallSummarized summary, CancellationToken cancellationToken)
    {
        var log = new ConversationLog(store, item.CallerId);
        await log.ReadAsync(cancellationToken);
        await _notice.SendAsync(item, log, Notice.Recipient(log.State, call), () => Draft.Of([], agent, CallSummary.Message(summary)), cancellationToken);
    }

    [LoggerMessage(Level = LogLevel.Error, Message = "Call {CallSid}: its summary could not be made or sent, for good: {Reason}")]
    private partial void LogGivenUp(string callSid, string reason);
}
