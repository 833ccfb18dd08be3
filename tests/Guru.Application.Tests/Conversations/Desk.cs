using Guru.Application.Calling;
using System.Text.Json;
using Guru.Application.Conversations;
using Guru.Application.Tests.Voice;
using Guru.Application.Tests.Work;
using Guru.Application.Work;
using Guru.Domain.Agents;
using Guru.Domain.Callers;
using Guru.Domain.Conversations;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Options;

namespace Guru.Application.Tests.Conversations;

/// <summary>One caller who writes and the replier who answers, with a carrier and a model of the test.</summary>
internal sealed class Desk
{
    public static readonly CallerId Maria = CallerId.Parse("0123456789abcdef0123456789abcdef");
    private const string Address = "+15550100001";
    private readonly CallerMemory _memory;
    private int _received;

    public Desk()
    {
        Queue = new MemoryQueue(Time);
        Carrier = new ScriptedCarrier(Time);
        _memory = new CallerMemory(Known, Options.Create(new MemorySettings()), Time);
    }

    public static AgentCatalog Agents { get; } = new(
        "house", "spoken", "written",
        [
            new Agent("healthcare", "Health.", "You are the healthcare advisor.", Voice: null, GreetingHint: null),
            new Agent("legal", "Law.", "You are the legal advisor.", Voice: null, GreetingHint: null),
            new Agent("general", "The rest.", "You are the general advisor.", Voice: null, GreetingHint: null),
        ]);

    /// <summary>How long the carrier's list may lack what was just sent.</summary>
    public double ListDelaySeconds { get; init; }

    public ManualTime Time { get; } = new();

    public MemoryStore Store { get; } = new();

    public MemoryQueue Queue { get; }

    public ScriptedCarrier Carrier { get; }

    public ScriptedWriter Model { get; } = new();

    public ScriptedConversations Known { get; } = new();

    public MemoryTemplates Templates { get; } = new();

    public Conversation State => Conversation.Fold(Store.Of<ConversationEvent>());

    public IEnumerable<string> SentTexts => Carrier.Sent.Select(message => message.Body);

    /// <summary>The caller has written; the event and its work are there.</summary>
    public async Task<string> ReceivesAsync(string text, MessageKind kind = MessageKind.Text, string? mediaUrl = null)
    {
        var sid = $"SM{++_received}";
        await new ConversationLog(Store, Maria).AppendAsync(
            new ReceiveMessage(new MessageReceived(
                sid, Maria, Address, ProfileName: null, kind, text, mediaUrl, kind == MessageKind.VoiceNote ? "audio/ogg" : null, Time.GetUtcNow())),
            CancellationToken.None);
        Queue.Add(Maria);
        return sid;
    }

    /// <summary>Works on what is due until nothing is, as the loop does, and passes on what goes wrong.</summary>
    public async Task WorksAsync(CancellationToken cancellationToken = default)
    {
        while (await Queue.ClaimAsync(TimeSpan.FromMinutes(1), cancellationToken) is { } item)
        {
            await Replier().RunAsync(item, cancellationToken);
            await Queue.CompleteAsync(item, cancellationToken);
        }
    }

    public async Task GivesUpAsync(OutsideException error)
    {
        var item = (await Queue.ClaimAsync(TimeSpan.FromMinutes(1), default))!;
        await Replier().GiveUpAsync(item, error, default);
        await Queue.CompleteAsync(item, default);
    }

    public Replier Replier() => new(
        Store, Carrier, Model, _memory, Agents, new Texts(),
        new Outbox(Queue, Carrier, new PublicAddress("https://guru.example.test"), Options.Create(new MessageRules { ListDelaySeconds = ListDelaySeconds }), Options.Create(new WorkRules()), Time),
        new CallBacks(Templates, House.Terms, Time), Templates, Options.Create(new ReplyRules()), Time, NullLogger<Replier>.Instance);

    internal sealed class Texts : IFixedTexts
    {
        public string Of(FixedText text, string? language) => $"Sorry ({language ?? "en"}).";
    }
}

/// <summary>A carrier that keeps what it was given, and whose answers may be lost.</summary>
internal sealed class ScriptedCarrier(TimeProvider time) : IMessenger
{
    public List<SentMessage> Sent { get; } = [];

    public List<string> Downloads { get; } = [];

    /// <summary>The templates that were to be sent, by their ContentSid.</summary>
    public List<string> Templates { get; } = [];

    /// <summary>What happens to a message in place of a plain sending, by its number from 1; whether it is sent is theirs to say.</summary>
    public Dictionary<int, Func<Action, Task>> Sending { get; } = [];

    public int Tries { get; private set; }

    public async Task<SentMessage> SendAsync(OutgoingMessage message, CancellationToken cancellationToken)
    {
        if (message.Template is { } template)
        {
            Templates.Add(template.ContentSid);
        }

        var sent = new SentMessage($"SMout{++Tries}", message.Body, "queued", ErrorCode: null, time.GetUtcNow());
        if (Sending.TryGetValue(Tries, out var happens))
        {
            await happens(() => Sent.Add(sent));
        }
        else
        {
            Sent.Add(sent);
        }

        return sent;
    }

    public Task ShowTypingAsync(string messageSid, CancellationToken cancellationToken) => Task.CompletedTask;

    public Task<IReadOnlyList<SentMessage>> FindSentAsync(CallerAddress to, DateTimeOffset since, CancellationToken cancellationToken) =>
        Task.FromResult<IReadOnlyList<SentMessage>>([.. Sent.Where(message => message.CreatedAt >= since).Reverse()]);

    public Task<MessageMedia> DownloadAsync(Uri mediaUrl, long mostBytes, CancellationToken cancellationToken)
    {
        Downloads.Add(mediaUrl.AbsolutePath);
        return Task.FromResult(new MessageMedia("audio/ogg", new byte[10]));
    }
}

/// <summary>A model that routes and writes what the test says.</summary>
internal sealed class ScriptedWriter : ITextModel
{
    public List<TextRequest> Asked { get; } = [];

    public IEnumerable<TextRequest> Replies => Asked.Where(request => request.Purpose == "reply");

    /// <summary>An agent and how sure the router is; what it throws.</summary>
    public Func<Task<(string Agent, double Confidence)>> Routes { get; set; } = () => Task.FromResult(("healthcare", 0.9));

    /// <summary>The router finds that the person would rather talk.</summary>
    public bool OffersCall { get; set; }

    public Func<TextRequest, Task<string>> Writes { get; set; } = request => Task.FromResult($"You said: {string.Join(" | ", request.Input.Select(turn => turn.Text))}");

    public Func<Task<TranscribedNote>> Hears { get; set; } = () => Task.FromResult(new TranscribedNote("Hola", "es", "m", 1, 1, 1));

    public async Task<TextAnswer> AnswerAsync(TextRequest request, CancellationToken cancellationToken)
    {
        Asked.Add(request);
        if (request.Purpose == "reply")
        {
            return Answer(await Writes(request).WaitAsync(cancellationToken));
        }

        var (agent, confidence) = await Routes().WaitAsync(cancellationToken);
        return Answer(JsonSerializer.Serialize(new { agent, confidence, reason = "why", language = "en", offerCall = OffersCall }));
    }

    public Task<TranscribedNote> TranscribeAsync(ReadOnlyMemory<byte> audio, string contentType, CancellationToken cancellationToken) => Hears();

    private static TextAnswer Answer(string text) => new(text, "m", 1, 0, 1);
}
