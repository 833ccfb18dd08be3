using System.Collections.Immutable;
using System.ComponentModel.DataAnnotations;
using Guru.Application.Calling;
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
    IMessenger messenger,
    ITextModel model,
    CallerMemory memory,
    AgentCatalog agents,
    IFixedTexts texts,
    Outbox outbox,
    CallBacks callBacks,
    ITemplates templates,
    IOptions<ReplyRules> rules,
    TimeProvider time,
    ILogger<Replier> logger) : IWork
{
    public string Kind => WorkItem.Reply;

    public async Task RunAsync(WorkItem item, CancellationToken cancellationToken)
    {
        var log = new ConversationLog(store, item.CallerId);
        await log.ReadAsync(cancellationToken);
        if (BegunOf(item, log.State) is { } begun)
        {
            await SendAsync(item, log, begun, resumed: true, cancellationToken);
        }
        else if (item is { Intent: null, IntentAt: { } at })
        {
            // Its words were erased since, and it may have been sent: nobody can tell any more.
            await RecordFailureAsync(item.CallerId, log, SidsOf(log.State.Open.Where(message => message.At <= at)), "erased", draft: null, cancellationToken);
        }

        if (!log.State.Open.IsEmpty)
        {
            await SendAsync(item, log, await WriteAsync(item.CallerId, log, cancellationToken), resumed: false, cancellationToken);
        }
    }

    /// <summary>The caller is told where that is possible, and the record says so.</summary>
    public async Task GiveUpAsync(WorkItem item, OutsideException error, CancellationToken cancellationToken)
    {
        if (error is MessengerException { Unknown: true })
        {
            throw error; // The list will tell, the next time.
        }

        var log = new ConversationLog(store, item.CallerId);
        await log.ReadAsync(cancellationToken);
        if (log.State.Open.IsEmpty)
        {
            return;
        }

        LogGivenUp(item.CallerId, error.Reason);
        var draft = (error as MessengerException)?.Unsent;
        if (draft is null && BegunOf(item, log.State) is { } begun)
        {
            draft = await outbox.AdoptAsync(item, log.State, begun, cancellationToken);
        }
        else if (draft is null && error is not MessengerException && item.IntentAt is null)
        {
            draft = await ApologizeAsync(item, log.State, error.Reason, cancellationToken);
        }

        // A button that is refused does not unsay the words above it.
        if (draft is { Failure: null, SentSids.IsEmpty: false } && draft.Parts.TrueForAll(part => part.MessageSid is not null || part.ContentSid is not null))
        {
            await RecordAsync(item.CallerId, log, draft, cancellationToken);
            draft = null;
        }

        await RecordFailureAsync(item.CallerId, log, SidsOf(log.State.Open), draft?.Failure ?? error.Reason, draft, cancellationToken);
    }

    /// <summary>What an earlier claim was about to send, unless it is on record as sent.</summary>
    private static Draft? BegunOf(WorkItem item, Conversation conversation) =>
        Outbox.Begun(item) is { } draft && conversation.Open.Exists(message => draft.Answers.Contains(message.MessageSid)) ? draft : null;

    private async Task SendAsync(WorkItem item, ConversationLog log, Draft draft, bool resumed, CancellationToken cancellationToken) =>
        await RecordAsync(item.CallerId, log, await outbox.SendAsync(item, log.State, draft, resumed, cancellationToken), cancellationToken);

    /// <summary>A draft that was sent is a reply, or the apology for one.</summary>
    private async Task RecordAsync(CallerId callerId, ConversationLog log, Draft sent, CancellationToken cancellationToken)
    {
        if (sent.Failure is { } reason)
        {
            await RecordFailureAsync(callerId, log, sent.Answers, reason, sent, cancellationToken);
            return;
        }

        await log.AppendAsync(
            new RecordReply(new MessageReplied(sent.Answers, callerId, sent.SentSids, sent.Agent, sent.SentText, sent.SentAt ?? time.GetUtcNow())),
            cancellationToken);
    }

    /// <param name="draft">What was sent all the same stands in it.</param>
    private async Task RecordFailureAsync(
        CallerId callerId, ConversationLog log, ImmutableArray<string> answers, string reason, Draft? draft, CancellationToken cancellationToken)
    {
        var failed = new MessageReplyFailed(answers, callerId, reason, time.GetUtcNow());
        if (draft is { SentSids.IsEmpty: false })
        {
            failed = failed with { ReplySids = draft.SentSids, Agent = draft.Agent, Text = draft.SentText, At = draft.SentAt ?? failed.At };
        }

        await log.AppendAsync(new GiveUpReply(failed), cancellationToken);
    }

    /// <returns>Null: nothing can be sent.</returns>
    private async Task<Draft?> ApologizeAsync(WorkItem item, Conversation conversation, string reason, CancellationToken cancellationToken)
    {
        if (!outbox.IsOpen(conversation))
        {
            return null;
        }

        var apology = Draft.Of(SidsOf(conversation.Open), conversation.Agent ?? AgentCatalog.GeneralName, texts.Of(FixedText.ReplyFailed, conversation.Language)) with { Failure = reason };
        try
        {
            return await outbox.SendAsync(item, conversation, apology, resumed: false, cancellationToken);
        }
        catch (MessengerException error) when (!error.Transient)
        {
            LogNoApology(item.CallerId, error.Code);
            return error.Unsent;
        }
    }

    private async Task<Draft> WriteAsync(CallerId callerId, ConversationLog log, CancellationToken cancellationToken)
    {
        using var writing = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        var typing = ShowTypingAsync(log.State.Open[^1].MessageSid, writing.Token);
        try
        {
            await WriteDownAsync(callerId, log, cancellationToken);
            await RouteAsync(callerId, log, cancellationToken);
            return await ComposeAsync(callerId, log, cancellationToken);
        }
        finally
        {
            // Nobody waits for it.
            await writing.CancelAsync();
            await typing;
        }
    }

    /// <summary>A voice note becomes text, in whatever language it is; one that cannot be had is answered as such.</summary>
    private async Task WriteDownAsync(CallerId callerId, ConversationLog log, CancellationToken cancellationToken)
    {
        foreach (var message in log.State.Open.Where(message => message.Text is null))
        {
            TranscribedNote? note = null;
            try
            {
                if (Uri.TryCreate(message.MediaUrl, UriKind.Absolute, out var address))
                {
                    var media = await messenger.DownloadAsync(address, rules.Value.MostMediaBytes, cancellationToken);
                    note = await model.TranscribeAsync(media.Content, message.MediaType ?? media.ContentType, cancellationToken);
                }
            }
            catch (OutsideException error) when (!error.Transient)
            {
                LogNotUnderstood(message.MessageSid, error.Reason);
            }

            await log.AppendAsync(
                new RecordTranscript(new VoiceNoteTranscribed(
                    message.MessageSid, callerId, note?.Text ?? "", note?.Language, Understood: note is not null, time.GetUtcNow())),
                cancellationToken);
            await SpeakAsync(callerId, log, note?.Language, "voiceNote", cancellationToken);
        }
    }

    private async Task ShowTypingAsync(string messageSid, CancellationToken cancellationToken)
    {
        try
        {
            await messenger.ShowTypingAsync(messageSid, cancellationToken);
        }
        catch (MessengerException error)
        {
            LogNoTyping(messageSid, error.Code);
        }
        catch (OperationCanceledException)
        {
            // The reply is there already.
        }
    }

    /// <summary>Routes what was written in one go. When the router does not answer in time, the present agent stays.</summary>
    private async Task RouteAsync(CallerId callerId, ConversationLog log, CancellationToken cancellationToken)
    {
        var unrouted = log.State.Open.Where(message => message is { Routed: false, Text: not null }).ToList();
        if (unrouted.Count == 0)
        {
            return;
        }

        var known = await memory.OfAsync(callerId, entry => IsOpen(log.State, entry), cancellationToken);
        var present = known.Session.Count > 0 ? known.Agent : null; // A call may have handed over since the last message.
        var words = string.Join('\n', unrouted.Select(Words).Where(words => words.Length > 0));
        RoutingDecision? decision = null;
        if (words.Length > 0)
        {
            try
            {
                using var patience = new CancellationTokenSource(TimeSpan.FromSeconds(rules.Value.RoutingSeconds), time);
                using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, patience.Token);
                var answer = await model.AnswerAsync(Routing.Request(agents, present, known.Text, words, callerId, callBacks.Question(log.State)), limit.Token);
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
            decision?.Reason ?? (words.Length == 0 ? "There are no words to go by; the present agent stays." : "The router did not answer; the present agent stays."),
            alternatives,
            Routing.PromptVersion,
            time.GetUtcNow()) { OffersCall = decision?.OfferCall == true })).ToList();
        await log.AppendAsync(selections, (_, error) => throw error, cancellationToken);
        await SpeakAsync(callerId, log, decision?.Language, "text", cancellationToken);
        if (decision is not null)
        {
            await callBacks.ArrangeAsync(log, callerId, unrouted[^1].MessageSid, agent, decision, cancellationToken);
        }
    }

    /// <summary>Answers what was written down and routed. What has come in since is answered next.</summary>
    private async Task<Draft> ComposeAsync(CallerId callerId, ConversationLog log, CancellationToken cancellationToken)
    {
        var open = log.State.Open.TakeWhile(message => message is { Routed: true, Text: not null }).ToList();
        var known = await memory.OfAsync(callerId, entry => IsOpen(log.State, entry), cancellationToken);
        var agent = agents[log.State.Agent];
        var card = open.Exists(message => message.OffersCall) ? await templates.FindAsync(TemplateKind.CallCard, log.State.Language, cancellationToken) : null;
        var instructions =
            $"""
            {agents.House}

            {agents.Written}

            {agent.Prompt}

            {(log.State.Language is { } language ? $"The caller's language is {language} (ISO 639-1)." : "")}
            {Clock.Now(time.GetUtcNow())}
            {callBacks.Told(log.State)}
            {(card is null ? "" : "A button by which the person can call you is sent below your reply: say in a few words that they can tap it.")}
            {known.Text}
            """;
        var request = new TextRequest(
            "reply", instructions.Trim(), [.. open.Select(message => new TextTurn(Speaker.Caller, Said(message)))], Schema: null, rules.Value.MostTokens, callerId.Value);
        var answer = await model.AnswerAsync(request, cancellationToken);
        var draft = Draft.Of(SidsOf(open), agent.Name, answer.Text);
        return draft.Parts.IsEmpty ? throw new TextModelException("empty", transient: true)
            : card is null ? draft
            : draft with { Parts = draft.Parts.Add(new DraftPart(card.Body, MessageSid: null, card.ContentSid)) };
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

    private static ImmutableArray<string> SidsOf(IEnumerable<OpenMessage> messages) => [.. messages.Select(message => message.MessageSid)];

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
        _ => string.IsNullOrWhiteSpace(message.Text) ? "[an empty message]" : message.Text,
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

    /// <summary>The call they had asked for was cancelled by us.</summary>
    CallBackCancelled,

    /// <summary>May we call? And the button of it.</summary>
    PermissionRequest,
    PermissionButton,

    /// <summary>Do they want to call? And the button of it.</summary>
    CallCard,
    CallCardButton,
}
