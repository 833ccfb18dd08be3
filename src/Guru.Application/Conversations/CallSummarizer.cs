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
public sealed partial class CallSummarizer(
    IEventStore store,
    ITextModel model,
    AgentCatalog agents,
    Outbox outbox,
    IOptions<MessageRules> rules,
    TimeProvider time,
    ILogger<CallSummarizer> logger) : IWork
{
    /// <summary>In <see cref="MessageSent"/>, beside the call's SID.</summary>
    private const string Occasion = "callSummary";

    private const string WindowClosed = "windowClosed";

    public string Kind => WorkItem.Summary;

    public async Task RunAsync(WorkItem item, CancellationToken cancellationToken)
    {
        var log = new CallLog(store, CallSid.Parse(item.Subject));
        var events = await log.ReadAsync(cancellationToken);
        if (events.OfType<CallStarted>().FirstOrDefault() is not { } started)
        {
            return;
        }

        var turns = events.OfType<UtteranceTranscribed>().Where(turn => !string.IsNullOrWhiteSpace(turn.Heard)).OrderBy(turn => turn.StartMs).ToList();
        if (log.State.Summary is null && turns.Exists(turn => turn.Speaker == Speaker.Caller))
        {
            await SummarizeAsync(item, log, turns, cancellationToken);
        }

        // Without words it was erased meanwhile.
        if (rules.Value.SummaryAfterCall && log.State.Summary is { Summary.Length: > 0 } summary)
        {
            await SendAsync(item, started, log.State.Agent, summary, cancellationToken);
        }
    }

    public async Task GiveUpAsync(WorkItem item, OutsideException error, CancellationToken cancellationToken)
    {
        LogGivenUp(item.Subject, error.Reason);
        await new ConversationLog(store, item.CallerId).AppendAsync(NotSent(item, error.Reason), cancellationToken);
    }

    private async Task SummarizeAsync(WorkItem item, CallLog log, IReadOnlyList<UtteranceTranscribed> turns, CancellationToken cancellationToken)
    {
        var (agent, language) = (agents[log.State.Agent], log.State.Language);
        var answer = await model.AnswerAsync(CallSummary.Request(agent, language, turns, item.CallerId), cancellationToken);
        var summary = CallSummary.Read(answer.Text, language, turns, time.GetUtcNow()) ?? throw new TextModelException("malformed", transient: true);
        await log.AppendAsync(new RecordCallSummary(summary), cancellationToken);
    }

    private async Task SendAsync(WorkItem item, CallStarted call, string agent, CallSummarized summary, CancellationToken cancellationToken)
    {
        var log = new ConversationLog(store, item.CallerId);
        await log.ReadAsync(cancellationToken);
        if (log.State.Settled.Contains((Occasion, item.Subject)))
        {
            return;
        }

        var to = call.Channel == CallChannel.Whatsapp ? log.State.WithCall(call.Address, call.At) : log.State;
        if (!outbox.IsOpen(to))
        {
            await log.AppendAsync(NotSent(item, WindowClosed), cancellationToken);
            return;
        }

        var begun = Outbox.Begun(item);
        var sent = await outbox.SendAsync(item, to, begun ?? Draft.Of([], agent, CallSummary.Message(summary)), resumed: begun is not null, cancellationToken);
        await log.AppendAsync(
            new RecordSent(new MessageSent(
                Occasion, item.Subject, item.CallerId, [.. sent.Parts.Select(part => part.MessageSid!)], sent.Agent,
                string.Join("\n\n", sent.Parts.Select(part => part.Body)), time.GetUtcNow())),
            cancellationToken);
    }

    private RecordNotSent NotSent(WorkItem item, string reason) =>
        new(new MessageNotSent(Occasion, item.Subject, item.CallerId, reason, time.GetUtcNow()));

    [LoggerMessage(Level = LogLevel.Error, Message = "Call {CallSid}: its summary could not be made or sent, for good: {Reason}")]
    private partial void LogGivenUp(string callSid, string reason);
}
