using Guru.Application.Calls;
using Guru.Infrastructure.Twilio;

namespace Guru.Api.Calls;

/// <summary>Writes what is to become of a call as TwiML.</summary>
/// <param name="baseUrl">The public address.</param>
internal sealed class TwimlAnswers(Sentences sentences, string baseUrl)
{
    private readonly string _continueUrl = $"{baseUrl}/api/whatsapp/voice/continue";

    // http becomes ws, https becomes wss.
    private readonly string _streamUrl = $"ws{baseUrl["http".Length..]}/api/whatsapp/voice/stream";

    public string Write(CallAnswer answer) => answer switch
    {
        ConnectStream a => Twiml.Document([.. First(a).Select(sentence => sentences.Say(a.Language, sentence)), .. Connect(a)]),
        SayAndHangUp a => Twiml.Document(sentences.Say(a.Language, a.Sentence), new Hangup()),
        JustHangUp => Twiml.Document(new Hangup()),
        _ => throw new System.Diagnostics.UnreachableException($"{answer.GetType().Name} has no TwiML."),
    };

    /// <summary>Twilio comes back for a recording.</summary>
    public bool LeavesToFetch(CallAnswer answer) => answer is SayAndHangUp a && sentences.Say(a.Language, a.Sentence) is Play;

    private static IEnumerable<FixedSentence> First(ConnectStream answer)
    {
        if (answer.SayFirst)
        {
            yield return FixedSentence.Connecting;
        }

        if (answer.TellsOfRecording)
        {
            yield return FixedSentence.Recorded;
        }
    }

    /// <summary>The verbs after Connect serve a stream that never came up where the carrier does not ask the action URL.</summary>
    private TwimlVerb[] Connect(ConnectStream answer) =>
    [
        new Connect(_continueUrl, new MediaStreamNoun(_streamUrl,
        [
            KeyValuePair.Create("callSid", answer.CallSid.Value),
            KeyValuePair.Create("phoneNumber", answer.Address),
            KeyValuePair.Create("token", answer.Token),
        ])),
        sentences.Say(answer.Language, FixedSentence.TechnicalProblem),
        new Hangup(),
    ];
}
