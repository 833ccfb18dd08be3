using System.Collections.Immutable;
using System.ComponentModel.DataAnnotations;
using Guru.Application.Work;
using Guru.Domain.Agents;
using Guru.Domain.Callers;
using Guru.Domain.Calls;
using Guru.Domain.Conversations;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;

namespace Guru.Application.Conversations;

/// <summary>How messages are answered; section <c>Guru:Replies</c>.</summary>
public sealed class ReplyRules
{
    /// <summary>How long routing may take; then the present agent stays.</summary>
    [Range(0.1, 30)]
    public double RoutingSeconds { get; set; } = 5;

    /// <summary>The largest voice note that is fetched.</summary>
    [Range(1000, 25_000_000)]
    public int MostMediaBytes { get; set; } = 16_000_000;

    /// <summary>The longest reply, in tokens.</summary>
    [Range(50, 4000)]
    public int MostTokens { get; set; } = 700;
}

/// <summary>
/// Answers what a caller wrote: writes voice notes down, finds the agent, asks for a reply, and sends it, once. Every step is on record
/// before the next, so that another node goes on where this one died. docs/conversation.md, steps 2 to 7.
/// </summary>
public sealed partial class Replier(
    IEventStore store,
    IWorkQueue queue,
    IMessenger messenger,
    ITextModel model,
    CallerMemory memory,
    AgentCatalog agents,
    IFixedTexts texts,
    Outbox outbox,
    PublicAddress address,
    IOptions<ReplyRules> rules,
    TimeProvider time,
    ILogger<Replier> logger) : IWork
{
    public string Kind => WorkItem.Reply;

    public async Task RunAsync(WorkItem item, CancellationToken cancellationToken)
    {
        var log = new ConversationLog(store, item.CallerId);
        await log.ReadAsync(cancellationToken);
        if (!log.State.Open.IsEmpty)
        {
            await AnswerAsync(item, log, cancellationToken);
        }
    }

    /// <summary>The caller is told where that is possible, and the record says so.</summary>
    public async Task GiveUpAsync(WorkItem item, OutsideException error, CancellationToken cancellationToken)
    {
        var log = new ConversationLog(store, item.CallerId);
        await log.ReadAsync(cancellationToken);
        LogGivenUp(item.CallerId, error.Reason);
        if (error is TextModelException && outbox.IsOpen(log.State))
        {
            try
            {
                var apology = new OutgoingMessage(CallerAddress.Parse(log.State.Address), texts.Of(FixedText.ReplyFailed, log.State.Language), address.MessageStatus);
                await messenger.SendAsync(apology, cancellationToken);
            }
            catch (MessengerException unsent)
            {
                LogNoApology(item.CallerId, unsent.Code);
            }
        }

        await log.AppendAsync(
            new GiveUpReply(new MessageReplyFailed([.. log.State.Open.Select(message => message.MessageSid)], item.CallerId, error.Reason, time.GetUtcNow())), cancellationToken);
    }

    private async Task AnswerAsync(WorkItem item, ConversationLog log, CancellationToken cancellationToken)
    {
        var draft = Outbox.Begun(item);
        var resumed = draft is not null && log.State.Open.Exists(message => draft.Answers.Contains(message.MessageSid));
        if (!resumed)
        {
            await WriteDownAsync(item.CallerId, log, cancellationToken);
            await ShowTypingAsync(log, cancellationToken);
            await RouteAsync(item.CallerId, log, cancellationToken);
            draft = await ComposeAsync(item.CallerId, log, cancellationToken);
        }

        var sent = await outbox.SendAsync(item, log.State, draft!, resumed, cancellationToken);
        await log.AppendAsync(
            new RecordReply(new MessageReplied(
                sent.Answers, item.CallerId, [.. sent.Parts.Select(part => part.MessageSid!)], sent.Agent,
                string.Join("\n\n", sent.Parts.Select(part => part.Body)), time.GetUtcNow())),
            cancellationToken);
        await queue.SaveIntentAsync(item, intent: null, WorkLoop.Lease, cancellationToken);
    }

    /// <summary>A voice note becomes text, in whatever language it is; one that cannot be had is answered as such.</summary>
    private async Task WriteDownAsync(CallerId callerId, ConversationLog log, CancellationToken cancellationToken)
    {
        foreach (var message in log.State.Open.Where(message => message.Text is null))
        {
            TranscribedNote? note = null;
            try
            {
                var media = await messenger.DownloadAsync(new Uri(message.MediaUrl!), rules.Value.MostMediaBytes, cancellationToken);
                note = await model.TranscribeAsync(media.Content, message.MediaType ?? media.ContentType, cancellationToken);
            }
            catch (Exception error) when (error is MessengerException { Transient: false } or TextModelException { Transient: false })
            {
                LogNotUnderstood(message.MessageSid, error.Message);
            }

            await log.AppendAsync(
                new RecordTranscript(new VoiceNoteTranscribed(
                    message.MessageSid, callerId, note?.Text ?? "", note?.Language, Understood: note is not null, time.GetUtcNow())),
                cancellationToken);
            await SpeakAsync(callerId, log, note?.Language, "voiceNote", cancellationToken);
        }
    }

    private async Task ShowTypingAsync(ConversationLog log, CancellationToken cancellationToken)
    {
        try
        {
            await messenger.ShowTypingAsync(log.State.Open[^1].MessageSid, cancellationToken);
        }
        catch (MessengerException error)
        {
            LogNoTyping(log.State.Open[^1].MessageSid, error.Code);
        }
    }

    /// <summary>Routes what was written in one go. When the router does not answer in time, the present agent stays.</summary>
    private async Task RouteAsync(CallerId callerId, ConversationLog log, CancellationToken cancellationToken)
    {
        var unrouted = log.State.Open.Where(message => !message.Routed).ToList();
        if (unrouted.Count == 0)
        {
            return;
        }

        var known = await memory.OfAsync(callerId, entry => IsOpen(log.State, entry), cancellationToken);
        var present = known.Session.Count > 0 ? log.State.Agent : null;
        var words = string.Join('\n', unrouted.Select(Words).Where(words => words.Length > 0));
        RoutingDecision? decision = null;
        if (words.Length > 0)
        {
            try
            {
                using var patience = new CancellationTokenSource(TimeSpan.FromSeconds(rules.Value.RoutingSeconds), time);
                using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, patience.Token);
                var answer = await model.AnswerAsync(Routing.Request(agents, present, known.Text, words, callerId), limit.Token);
                decision = Routing.Parse(agents, answer.Text);
            }
            catch (Exception error) when (error is TextModelException or OperationCanceledException && !cancellationToken.IsCancellationRequested)
            {
                LogNotRouted(callerId, error.GetType().Name);
            }
        }

        var agent = Routing.Settle(present, decision);
        var alternatives = agents.Agents.Select(other => other.Name).Where(name => name != agent).ToImmutableArray();
        var selections = unrouted.Select(message => (ConversationCommand)new SelectAgent(new AgentSelected(
            message.MessageSid,
            callerId,
            agent,
            decision?.Confidence ?? 0,
            decision is null ? "The router did not answer; the present agent stays." : decision.Reason,
            alternatives,
            Routing.PromptVersion,
            time.GetUtcNow()))).ToList();
        await log.AppendAsync(selections, (_, error) => throw error, cancellationToken);
        await SpeakAsync(callerId, log, decision?.Language, "text", cancellationToken);
    }

    private async Task<Draft> ComposeAsync(CallerId callerId, ConversationLog log, CancellationToken cancellationToken)
    {
        var open = log.State.Open;
        var known = await memory.OfAsync(callerId, entry => IsOpen(log.State, entry), cancellationToken);
        var agent = agents[log.State.Agent];
        var instructions =
            $"""
            {agents.House}

            {agents.Written}

            {agent.Prompt}

            {(log.State.Language is { } language ? $"The caller's language is {language} (ISO 639-1)." : "")}
            {known.Text}
            """;
        var request = new TextRequest(
            "reply", instructions.Trim(), [.. open.Select(message => new TextTurn(Speaker.Caller, Said(message)))], Schema: null, rules.Value.MostTokens, callerId.Value);
        var answer = await model.AnswerAsync(request, cancellationToken);
        return Draft.Of([.. open.Select(message => message.MessageSid)], agent.Name, answer.Text);
    }

    private async Task SpeakAsync(CallerId callerId, ConversationLog log, string? language, string evidence, CancellationToken cancellationToken)
    {
        if (language is not null)
        {
            await log.AppendAsync(new DetermineLanguage(new LanguageDetermined(callerId, language, evidence, time.GetUtcNow())), cancellationToken);
        }
    }

    private static bool IsOpen(Conversation conversation, TimelineEntry entry) =>
        entry.MessageSid is { } sid && conversation.Open.Exists(message => message.MessageSid == sid);

    private static string Words(OpenMessage message) => message.Text ?? "";

    /// <summary>What the agent reads of a message.</summary>
    private static string Said(OpenMessage message) => message.Kind switch
    {
        MessageKind.VoiceNote when string.IsNullOrWhiteSpace(message.Text) => "[a voice note that could not be understood]",
        MessageKind.VoiceNote => message.Text!,
        MessageKind.Image => $"[a picture, which you cannot see] {message.Text}".Trim(),
        MessageKind.Document => $"[a document, which you cannot open] {message.Text}".Trim(),
        MessageKind.Location => $"[a location] {message.Text}".Trim(),
        MessageKind.Other => $"[something that is not text] {message.Text}".Trim(),
        _ => message.Text ?? "",
    };

    [LoggerMessage(Level = LogLevel.Warning, Message = "Message {MessageSid}: the voice note could not be written down: {Reason}")]
    private partial void LogNotUnderstood(string messageSid, string reason);

    [LoggerMessage(Level = LogLevel.Information, Message = "Message {MessageSid}: typing could not be shown ({Code})")]
    private partial void LogNoTyping(string messageSid, int? code);

    [LoggerMessage(Level = LogLevel.Warning, Message = "Caller {CallerId}: the router did not answer ({Error}); the present agent stays")]
    private partial void LogNotRouted(CallerId callerId, string error);

    [LoggerMessage(Level = LogLevel.Error, Message = "Caller {CallerId}: no reply could be sent, for good: {Reason}")]
    private partial void LogGivenUp(CallerId callerId, string reason);

    [LoggerMessage(Level = LogLevel.Warning, Message = "Caller {CallerId}: the apology could not be sent ({Code})")]
    private partial void LogNoApology(CallerId callerId, int? code);
}

/// <summary>What Guru writes without a model.</summary>
public interface IFixedTexts
{
    /// <param name="language">ISO 639-1; English where it is null or not listed.</param>
    string Of(FixedText text, string? language);
}

public enum FixedText
{
    /// <summary>A message could not be answered.</summary>
    ReplyFailed,

    /// <summary>We called, and they did not answer.</summary>
    CallMissed,

    /// <summary>Their call could not be had, or broke off, because of us.</summary>
    CallFailed,

    /// <summary>The call they had asked for is not placed.</summary>
    CallBackFailed,
}
