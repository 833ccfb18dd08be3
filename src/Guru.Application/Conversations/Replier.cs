using System.Collections.Immutable;
using System.ComponentModel.DataAnnotations;
using System.Text.Json;
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
    /// <summary>How often an answer is tried before the caller is told that there is none.</summary>
    [Range(1, 20)]
    public int MostAttempts { get; set; } = 6;

    /// <summary>The first wait after a failure; it doubles, up to a minute.</summary>
    [Range(0.01, 60)]
    public double RetrySeconds { get; set; } = 2;

    /// <summary>How long routing may take; then the present agent stays.</summary>
    [Range(0.1, 30)]
    public double RoutingSeconds { get; set; } = 5;

    /// <summary>The largest voice note that is fetched.</summary>
    [Range(1000, 25_000_000)]
    public int MostMediaBytes { get; set; } = 16_000_000;

    /// <summary>How long a message just sent may be missing from the carrier's list.</summary>
    [Range(0, 60)]
    public double ListDelaySeconds { get; set; } = 5;

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
    PublicAddress address,
    IOptions<ReplyRules> rules,
    TimeProvider time,
    ILogger<Replier> logger)
{
    /// <summary>For the slowest step; renewed before each.</summary>
    public static readonly TimeSpan Lease = TimeSpan.FromSeconds(90);

    private static readonly TimeSpan Window = TimeSpan.FromHours(24);
    private static readonly TimeSpan LongestWait = TimeSpan.FromMinutes(1);

    /// <exception cref="LeaseLostException">Another node took over.</exception>
    public async Task RunAsync(WorkItem item, CancellationToken cancellationToken)
    {
        var log = new ConversationLog(store, item.CallerId);
        await log.ReadAsync(cancellationToken);
        try
        {
            if (!log.State.Open.IsEmpty)
            {
                await AnswerAsync(item, log, cancellationToken);
            }

            await queue.CompleteAsync(item, cancellationToken);
        }
        catch (MessengerException error) when (error.Transient && item.Attempts < rules.Value.MostAttempts)
        {
            await RetryAsync(item, error.RetryAfter, $"messenger {error.Code}", cancellationToken);
        }
        catch (TextModelException error) when (error.Transient && item.Attempts < rules.Value.MostAttempts)
        {
            await RetryAsync(item, error.RetryAfter, error.Code, cancellationToken);
        }
        catch (Exception error) when (error is MessengerException or TextModelException)
        {
            await GiveUpAsync(item, log, error, cancellationToken);
        }
    }

    private async Task AnswerAsync(WorkItem item, ConversationLog log, CancellationToken cancellationToken)
    {
        var intent = item.Intent is null ? null : JsonSerializer.Deserialize<ReplyIntent>(item.Intent);
        var resumed = intent is not null && log.State.Open.Exists(message => intent.Answers.Contains(message.MessageSid));
        if (!resumed)
        {
            await WriteDownAsync(item.CallerId, log, cancellationToken);
            await ShowTypingAsync(log, cancellationToken);
            await RouteAsync(item.CallerId, log, cancellationToken);
            intent = await ComposeAsync(item.CallerId, log, cancellationToken);
            await queue.SaveIntentAsync(item, JsonSerializer.Serialize(intent), Lease, cancellationToken);
        }

        await SendAsync(item, log, intent!, adopt: resumed, cancellationToken);
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
        var present = known.Session.Count > 0 ? known.Agent : null; // A call may have handed over since the last message.
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

    private async Task<ReplyIntent> ComposeAsync(CallerId callerId, ConversationLog log, CancellationToken cancellationToken)
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
        return new ReplyIntent(
            [.. open.Select(message => message.MessageSid)], agent.Name, [.. ReplyText.Split(answer.Text).Select(body => new ReplyPart(body, MessageSid: null))]);
    }

    /// <summary>Sends what is left to send. Who takes over looks first whether it was sent: the carrier takes no idempotency key.</summary>
    private async Task SendAsync(WorkItem item, ConversationLog log, ReplyIntent intent, bool adopt, CancellationToken cancellationToken)
    {
        var state = log.State;
        if (time.GetUtcNow() - state.LastReceivedAt > Window)
        {
            throw new MessengerException(code: 63016, transient: false);
        }

        var to = CallerAddress.Parse(state.Address);
        var sent = adopt ? await FindSentAsync(item, to, cancellationToken) : [];
        foreach (var (part, index) in intent.Parts.Select((part, index) => (part, index)).Where(pair => pair.part.MessageSid is null).ToList())
        {
            var known = sent.FirstOrDefault(message => message.Body == part.Body && intent.Parts.All(other => other.MessageSid != message.MessageSid));
            var sid = known?.MessageSid ?? (await messenger.SendAsync(new OutgoingMessage(to, part.Body, address.MessageStatus), cancellationToken)).MessageSid;
            intent = intent with { Parts = intent.Parts.SetItem(index, part with { MessageSid = sid }) };
            await queue.SaveIntentAsync(item, JsonSerializer.Serialize(intent), Lease, cancellationToken);
        }

        await log.AppendAsync(
            new RecordReply(new MessageReplied(
                intent.Answers, item.CallerId, [.. intent.Parts.Select(part => part.MessageSid!)], intent.Agent,
                string.Join("\n\n", intent.Parts.Select(part => part.Body)), time.GetUtcNow())),
            cancellationToken);
        await queue.SaveIntentAsync(item, intent: null, Lease, cancellationToken);
    }

    private async Task<IReadOnlyList<SentMessage>> FindSentAsync(WorkItem item, CallerAddress to, CancellationToken cancellationToken)
    {
        // A message just created may be listed with a delay: it is looked for once that has passed.
        var since = item.IntentAt ?? time.GetUtcNow();
        var settled = since + TimeSpan.FromSeconds(rules.Value.ListDelaySeconds) - time.GetUtcNow();
        if (settled > TimeSpan.Zero)
        {
            await Task.Delay(settled, time, cancellationToken);
        }

        return await messenger.FindSentAsync(to, since - TimeSpan.FromMinutes(1), cancellationToken);
    }

    private async Task SpeakAsync(CallerId callerId, ConversationLog log, string? language, string evidence, CancellationToken cancellationToken)
    {
        if (language is not null)
        {
            await log.AppendAsync(new DetermineLanguage(new LanguageDetermined(callerId, language, evidence, time.GetUtcNow())), cancellationToken);
        }
    }

    private async Task RetryAsync(WorkItem item, TimeSpan? after, string error, CancellationToken cancellationToken)
    {
        var wait = TimeSpan.FromSeconds(rules.Value.RetrySeconds * Math.Pow(2, item.Attempts));
        LogRetry(item.CallerId, item.Attempts + 1, error);
        await queue.RetryAsync(item, after ?? (wait < LongestWait ? wait : LongestWait), error, cancellationToken);
    }

    /// <summary>For good: the caller is told where that is possible, and the record says so.</summary>
    private async Task GiveUpAsync(WorkItem item, ConversationLog log, Exception error, CancellationToken cancellationToken)
    {
        var reason = error is MessengerException messaging ? $"messenger {messaging.Code}" : ((TextModelException)error).Code;
        LogGivenUp(item.CallerId, reason);
        if (error is TextModelException && log.State.Address.Length > 0)
        {
            try
            {
                var apology = new OutgoingMessage(CallerAddress.Parse(log.State.Address), texts.ReplyFailed(log.State.Language), address.MessageStatus);
                await messenger.SendAsync(apology, cancellationToken);
            }
            catch (MessengerException unsent)
            {
                LogNoApology(item.CallerId, unsent.Code);
            }
        }

        await log.AppendAsync(
            new GiveUpReply(new MessageReplyFailed([.. log.State.Open.Select(message => message.MessageSid)], item.CallerId, reason, time.GetUtcNow())), cancellationToken);
        await queue.SaveIntentAsync(item, intent: null, Lease, cancellationToken);
        await queue.CompleteAsync(item, cancellationToken);
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

    [LoggerMessage(Level = LogLevel.Warning, Message = "Caller {CallerId}: attempt {Attempt} to reply failed ({Error}); again later")]
    private partial void LogRetry(CallerId callerId, int attempt, string error);

    [LoggerMessage(Level = LogLevel.Error, Message = "Caller {CallerId}: no reply could be sent, for good: {Reason}")]
    private partial void LogGivenUp(CallerId callerId, string reason);

    [LoggerMessage(Level = LogLevel.Warning, Message = "Caller {CallerId}: the apology could not be sent ({Code})")]
    private partial void LogNoApology(CallerId callerId, int? code);
}

/// <summary>A reply that is about to be sent, exactly.</summary>
internal sealed record ReplyIntent(ImmutableArray<string> Answers, string Agent, ImmutableList<ReplyPart> Parts)
{
    public override string ToString() => $"{nameof(ReplyIntent)} to {Answers.Length}";
}

internal sealed record ReplyPart(string Body, string? MessageSid)
{
    public override string ToString() => $"{nameof(ReplyPart)} {MessageSid}";
}

/// <summary>What Guru writes without a model.</summary>
public interface IFixedTexts
{
    /// <param name="language">ISO 639-1; English where it is null or not listed.</param>
    string ReplyFailed(string? language);
}

/// <summary>Where Guru is reached from outside (BASE_URL).</summary>
public sealed record PublicAddress(string BaseUrl)
{
    public Uri MessageStatus { get; } = new($"{BaseUrl}/api/whatsapp/status");
}
