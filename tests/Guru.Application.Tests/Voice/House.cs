using Guru.Application.Callers;
using Guru.Application.Calling;
using Guru.Application.Calls;
using Guru.Application.Conversations;
using Guru.Application.Recordings;
using Guru.Application.Tests.Recordings;
using Guru.Application.Tests.Traces;
using Guru.Application.Traces;
using Guru.Application.Voice;
using Guru.Application.VoiceSessions;
using Guru.Domain.Agents;
using Guru.Domain.Callers;
using Guru.Domain.Calls;
using Guru.Domain.Conversations;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Options;
using Shouldly;

namespace Guru.Application.Tests.Voice;

/// <summary>One process of Guru, without its wires: a store in memory, a dialer and a clock of the test.</summary>
internal sealed class House
{
    public const string Sid = "CA00000000000000000000000000000001";
    private readonly ServerSecret _secret = new("a secret of the server"u8.ToArray());

    public House(Action<CallRules>? rules = null, MemoryStore? store = null)
    {
        var set = new CallRules { LastWordsSeconds = 0 };
        rules?.Invoke(set);
        Rules = Options.Create(set);
        Store = store ?? new MemoryStore();
        Dialer = new ScriptedDialer(Time);
        Memory = new CallerMemory(Known, Options.Create(new MemorySettings()), Time);
        var callBacks = new CallBackDesk(Store, new CallBacks(Templates, Terms, Time), Rules, Time, NullLogger<CallBackDesk>.Instance);
        Tracer = new CallTracer(Traces, Options.Create(TraceSettings), Time, NullLogger<CallTracer>.Instance);
        var recordings = new CallRecordings(Recordings, Options.Create(RecordingSettings), Time, NullLogger<CallRecording>.Instance);
        Switchboard = new Switchboard(Store, Journal, Memory, Dialer, Browsers, callBacks, Rules, Options.Create(new VoiceSettings()), Agents, Tracer, recordings, Time, Log);
    }

    public static AgentCatalog Agents { get; } = new(
        "house", "spoken", "written",
        [
            new Agent("healthcare", "Health.", "You are the healthcare advisor.", Voice: null, GreetingHint: "Be calm."),
            new Agent("legal", "Law.", "You are the legal advisor.", Voice: "cedar", GreetingHint: null),
            new Agent("general", "The rest.", "You are the general advisor.", Voice: null, GreetingHint: null),
        ]);

    /// <summary>A sender in Britain that may call people in Ghana at any hour.</summary>
    public static CallingTerms Terms { get; } = new(
        CallerAddress.Parse("+447700900123"),
        new CallingRules(
            new DateOnly(2026, 9, 1), TimeSpan.FromDays(7), TimeSpan.FromDays(7), [new CallingLimit(1, TimeSpan.FromDays(1))], [new CallingLimit(5, TimeSpan.FromDays(1))],
            PauseAfterUnanswered: 2, RevokedAfterUnanswered: 4, new WakingHours(TimeSpan.Zero, TimeSpan.FromDays(1)), [], [], [],
            [new CallingCountry("GH", ["233"], [TimeZoneInfo.Utc]), new CallingCountry("GB", ["44"], [TimeZoneInfo.Utc])]),
        new CallingSettings());

    /// <summary>What the read model knows of callers.</summary>
    public ScriptedConversations Known { get; } = new();

    public CallerMemory Memory { get; }

    public MemoryAliases Aliases { get; } = new();

    public CallerNames Callers => new(Store, Aliases, _secret);

    public ScriptedKeys Keys { get; } = new();

    public MemoryTemplates Templates { get; } = new();

    public RecordingSettings RecordingSettings { get; } = new();

    public MemoryRecordings Recordings { get; } = new();

    public TraceSettings TraceSettings { get; } = new();

    public MemoryTraces Traces { get; } = new();

    public CallTracer Tracer { get; }

    public static CallSid CallSid { get; } = CallSid.Parse(Sid);

    public ManualTime Time { get; } = new();

    public MemoryStore Store { get; }

    public MemoryJournal Journal { get; } = new();

    public ScriptedDialer Dialer { get; }

    public ScriptedBrowsers Browsers { get; } = new();

    public IOptions<CallRules> Rules { get; }

    public KeptLog<Switchboard> Log { get; } = new();

    public Switchboard Switchboard { get; }

    public ScriptedModel Model => Dialer.Models[^1];

    public Task<CallAnswer> AnswersAsync(string from = "whatsapp:+15550001111", string sid = Sid) =>
        new AnswerCallHandler(
                new CallStart(Store, Keys, Callers, Memory, Agents, Terms, _secret, Time), Switchboard, Rules, Time, NullLogger<AnswerCallHandler>.Instance)
            .Handle(new AnswerCall(sid, from, "whatsapp:+15550009999", "inbound"), CancellationToken.None);

    public Task<CallAnswer> ContinuesAsync(string status = "in-progress") =>
        new ContinueCallHandler(Store, Memory, Switchboard, _secret, Rules, Time, NullLogger<ContinueCallHandler>.Instance)
            .Handle(new ContinueCall(Sid, status), CancellationToken.None);

    public Task HearsAsync(string status, CancellationToken cancellationToken = default) =>
        new RecordCallStatusHandler(Store, Switchboard, Callers, Rules, Time)
            .Handle(new RecordCallStatus(Sid, status, "whatsapp:+15550001111", "whatsapp:+15550009999", "inbound", "12", ErrorCode: null), cancellationToken);

    public Task<bool> ConnectsAsync(ScriptedLine line, string token) =>
        Switchboard.ConnectAsync(line, CallSid, token, CancellationToken.None).WaitAsync(TimeSpan.FromSeconds(20));

    /// <summary>A call whose stream is up and whose greeting has been asked for.</summary>
    public async Task<(ScriptedLine Line, ScriptedModel Model, Task<bool> Call)> OnTheLineAsync()
    {
        var connect = (await AnswersAsync()).ShouldBeOfType<ConnectStream>();
        var line = new ScriptedLine();
        var call = ConnectsAsync(line, connect.Token);
        await ManualTime.UntilAsync(() => Dialer.Models.Count > 0 && Model.Told.OfType<CreateResponse>().Any());
        return (line, Model, call);
    }
}
