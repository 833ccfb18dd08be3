namespace Guru.Application.Voice;

/// <summary>What a <see cref="CallSession"/> is told, audio and receipts apart.</summary>
public abstract record CallInput;

/// <summary>A session with the model is ready; it is used when the session says so.</summary>
public sealed record ModelDialed(string SessionId, TimeSpan ExpiresAt) : CallInput;

/// <param name="RetryAfter">How long to wait, where the refusal says so.</param>
public sealed record ModelDialFailed(string Code, bool Transient, TimeSpan? RetryAfter = null) : CallInput;

public sealed record FromModel(ModelEvent Event) : CallInput;

public sealed record DigitPressed(char Digit) : CallInput;

/// <summary>The carrier said that the stream is over.</summary>
public sealed record CallerHungUp : CallInput;

/// <summary>The stream's socket is gone, and nobody said why.</summary>
public sealed record LineLost : CallInput;

/// <summary>Guru is going to stop.</summary>
/// <param name="Within">How long the call may go on.</param>
internal sealed record DrainBegan(TimeSpan Within) : CallInput;

/// <summary>Guru stops now, whatever is being said.</summary>
internal sealed record StopNow : CallInput;

/// <summary>A turn of the stream before this one was transcribed only now.</summary>
internal sealed record HeardLate(HeardTurn Turn) : CallInput;

/// <summary>What an agent wanted about a call-back is on record, or could not be.</summary>
/// <param name="Output">For the agent, as JSON.</param>
internal sealed record CallBackAnswered(string ToolCallId, string Output) : CallInput;

/// <summary>The session's deadline has come.</summary>
public sealed record DeadlineCame : CallInput;

/// <summary>What a <see cref="CallSession"/> wants done.</summary>
public abstract record CallDecision;

public sealed record TellModel(ModelCommand Command) : CallDecision;

/// <summary>Silence in the caller's place, so that the model can end a turn whose audio stopped coming.</summary>
/// <param name="CallMs">Where it lies on the call's clock.</param>
public sealed record AppendSilence(int Ms, long CallMs) : CallDecision;

public sealed record ClearLine : CallDecision;

public sealed record MarkLine(PlaybackMark Mark) : CallDecision;

/// <summary>Open a session with the model, beside the one in use if there is one.</summary>
/// <param name="Reason">start, dropped, expiring, expired, error or handOff.</param>
/// <param name="Agent">Who is to speak in it.</param>
/// <param name="Language">ISO 639-1, where it is known.</param>
public sealed record DialModel(string Reason, string Agent, string? Language) : CallDecision;

/// <summary>The session that was dialled last is not needed.</summary>
public sealed record DropModel : CallDecision;

/// <summary>Use the session that was dialled last, in place of the one in use; the audio kept meanwhile goes to it.</summary>
public sealed record UseModel : CallDecision;

/// <summary>Make the session in use another agent's, or another language's.</summary>
/// <param name="IsFresh">The model has not spoken in it.</param>
public sealed record ConfigureModel(string Agent, string? Language, bool IsFresh) : CallDecision;

/// <summary>The model is gone before it answered: what the caller said from then on goes to the next one, too.</summary>
public sealed record RewindCaller(long FromMs) : CallDecision;

public sealed record Record(Domain.Calls.CallCommand Fact) : CallDecision;

/// <summary>The caller wants to be called later, agrees to it, or does not want it any more; <see cref="CallBackAnswered"/> tells what came of it.</summary>
/// <param name="Arguments">Of the tool, as the model wrote them.</param>
/// <param name="Agent">Who has the call.</param>
public sealed record ArrangeCallBack(string ToolCallId, string Arguments, string Agent) : CallDecision
{
    public override string ToString() => $"{nameof(ArrangeCallBack)} {ToolCallId}";
}

/// <summary>Guru ends the call: the line is to be closed once the end is on record.</summary>
public sealed record HangUp(Domain.Calls.CallEndReason Reason) : CallDecision;

/// <summary>Nothing more will be decided.</summary>
/// <param name="Reason">Why the call ended; null where the stream was lost and the call may go on over another.</param>
public sealed record Finish(Domain.Calls.CallEndReason? Reason) : CallDecision;
