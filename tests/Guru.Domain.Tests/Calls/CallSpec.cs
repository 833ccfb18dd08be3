using Guru.Domain.Callers;
using Guru.Domain.Calls;
using Shouldly;

namespace Guru.Domain.Tests.Calls;

/// <summary>Given what happened, when something is asked, then this is what it causes. Times are seconds since the start.</summary>
public abstract class CallSpec
{
    protected static readonly CallSid Sid = CallSid.Parse("CA00000000000000000000000000000001");
    protected static readonly CallerId Caller = CallerId.Of(CallerAddress.Parse("+15550001111"), "a secret of the server"u8);

    protected static CallEvent[] Started =>
    [
        new CallStarted(Sid, Caller, "+15550001111", CallChannel.Whatsapp, CallDirection.Inbound, "fr", "token-0", At(0)),
        new AgentRouted("general", "until routing is set up", At(0)),
    ];

    protected static CallEvent[] Connected => [.. Started, Stream("MZ0", "token-0", 1)];

    protected static DateTimeOffset At(double seconds) => new DateTimeOffset(2026, 1, 2, 3, 4, 5, TimeSpan.Zero).AddSeconds(seconds);

    protected static StartCall Start(double at = 0) => new(
        Sid, Caller, "+15550001111", CallChannel.Whatsapp, CallDirection.Inbound, "fr", "token-0", "general", "until routing is set up", At(at));

    protected static MediaStreamConnected Stream(string sid, string token, double at) => new(sid, token, "node", At(at));

    protected static ConnectMediaStream Connect(string sid, string token, double at) => new(sid, token, "node", At(at));

    protected static MediaStreamRequested Requested(string token, int attempt, double at) => new(token, attempt, At(at));

    protected static RequestMediaStream Request(string token, double at, int most = 3) => new(token, most, At(at));

    protected static CallStatusChanged Status(CallStatus status, double at = 9) =>
        new(status, Sid, Caller, CallDirection.Inbound, DurationSeconds: null, ErrorCode: null, At(at));

    protected static RecordStatus Tells(CallStatus status, double at = 9) => new(Status(status, at));

    protected static CallEnded Ended(CallEndReason reason, double at = 9) => new(reason, At(at));

    protected static EndCall End(CallEndReason reason, double at = 9, string? stream = null) => new(reason, At(at), stream);

    protected static UtteranceTranscribed Utterance(string id, string words, double at = 5) => new(
        id, Speaker.Caller, "general", words, words, Interrupted: false, TranscriptionOutcome.Completed, StartMs: 1000, EndMs: 2000,
        SaidMs: 1000, HeardMs: 1000, Language: null, FirstAudioMs: null, FirstHeardMs: null, At(at));

    protected static CallStory Given(params CallEvent[] events) => new(Call.Fold(events));
}

public sealed class CallStory(Call before)
{
    private Call _call = before;
    private readonly List<CallEvent> _caused = [];
    private RuleException? _refusal;

    public CallStory When(params CallCommand[] commands)
    {
        foreach (var command in commands)
        {
            try
            {
                var events = Call.Decide(_call, command);
                _call = events.Aggregate(_call, Call.Apply);
                _caused.AddRange(events);
            }
            catch (RuleException refusal)
            {
                _refusal = refusal;
            }
        }

        return this;
    }

    public void Then(params CallEvent[] events)
    {
        _refusal.ShouldBeNull();
        _caused.ShouldBe(events);
    }

    public void ThenNothing() => Then();

    public void ThenRefused()
    {
        _refusal.ShouldNotBeNull();
        _caused.ShouldBeEmpty();
    }
}
