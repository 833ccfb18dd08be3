using System.Text;
using Guru.Domain.Calls;

namespace Guru.Application.Voice;

/// <summary>What the model is told besides its instructions, at the turns of a call.</summary>
internal static class CallPrompts
{
    private const string GreetStranger =
        "Greet the caller now, in one or two short sentences: say that you are Guru, an AI advisor, and ask how you can help. "
        + "This is their first contact, so do not refer to anything earlier.";

    private const string GreetAcquaintance =
        "Greet the caller now, in one or two short sentences: say that you are Guru, an AI advisor, refer briefly to what you were last talking about, "
        + "and ask whether it is about that.";

    public static string Reprompt(string? language) =>
        $"The caller has been silent for a while. Ask briefly, {In(language)}, whether they are still there.";

    public static string GoodbyeAfterSilence(string? language) =>
        $"The caller is still silent. Say briefly, {In(language)}, that you will end the call now and that they can call or write again any time. Say goodbye.";

    public static string GoodbyeAtTheLimit(string? language) =>
        $"This call has reached its maximum length. Say so briefly and kindly, {In(language)}, invite the caller to call or write again, and say goodbye.";

    public static string GoodbyeBeforeShutdown(string? language) =>
        $"The line has to be closed for maintenance. Say so briefly, {In(language)}, invite the caller to call again in a few minutes, and say goodbye.";

    public static string Goodbye(string? language) => $"Say a short goodbye {In(language)}.";

    public static string Continue(string? language) =>
        $"The connection was interrupted for a moment. Do not greet again. Go on {In(language)} where the conversation stopped: answer what is still open, or repeat briefly what was cut.";

    /// <summary>For a call that went on before anything the agent said is known to have been heard.</summary>
    /// <param name="greeting">What it would have been told at the begin.</param>
    public static string GreetAfterAll(string greeting) =>
        $"The connection was interrupted for a moment, perhaps before the caller heard anything of you. Say so in a few words. {greeting} If they have said something already, answer it.";

    public static string NoAnswer(string? language) =>
        $"You could not answer what the caller said last. Say so briefly and kindly, {In(language)}, and ask them to say it in other words.";

    /// <summary>For the agent who goes on after a hand-over.</summary>
    /// <param name="request">What the caller asks for, in the words of the agent who handed over.</param>
    public static string TakeOver(string from, string to, string request, string? language) =>
        $"""
        The {from} advisor has just handed this call over to you, the {to} advisor. The call goes on: do not greet, and do not introduce yourself as Guru again.
        Say in a few words, {In(language)}, that you are the {to} advisor, and answer.
        The caller asks for this: {request}
        """;

    /// <summary>For a session that did not hear the agents before.</summary>
    public static string BeforeTheHandOver(string from, string to, string request) =>
        $"What stands under You was said by the {from} advisor, who has now handed this call over to you, the {to} advisor. The caller asks for this: {request}";

    private const string CallSomebody =
        "You have called this person, and they have just answered. In two short sentences say that you are Guru, an AI advisor, say why you are calling, "
        + "and ask whether it is a good time. If it is not, say that they can write or call at any time, and say goodbye. Why you are calling: ";

    /// <summary>Who is called hears who it is and why before anything else.</summary>
    /// <param name="purpose">Why Guru calls.</param>
    /// <inheritdoc cref="Greeting"/>
    public static string Calling(string purpose, string? hint, string? language) => $"{CallSomebody}{purpose.Trim()} {Speak(language)}{(hint is null ? "" : $" {hint}")}";

    /// <summary>What the agent is told of the time before the call, and why it calls.</summary>
    public static string? Remember(string? purpose, string? memory) => purpose is null ? memory : $"You have called this person. Why: {purpose.Trim()}\n{memory}".Trim();

    /// <summary>Every caller is greeted, and nobody is reminded of what has not been.</summary>
    /// <param name="hint">The agent's own.</param>
    /// <param name="known">The agent was told of something earlier.</param>
    /// <param name="language">ISO 639-1, where it is known.</param>
    public static string Greeting(string? hint, bool known, string? language) =>
        $"{(known ? GreetAcquaintance : GreetStranger)} {Speak(language)}{(hint is null ? "" : $" {hint}")}";

    private static string Speak(string? language) => language is null ? "Speak English." : $"The caller's language is {language} (ISO 639-1): speak it.";

    /// <summary>What turns out to have been said before the model came in.</summary>
    public static string BeforeYouCame(HeardTurn turn) =>
        $"Before the interruption {(turn.Speaker == Speaker.Caller ? "the caller" : "you")} had also said: {turn.Text}";

    /// <summary>The conversation of this call so far, for a model session that did not hear it.</summary>
    public static string SoFar(IReadOnlyList<HeardTurn> turns, bool greeted = true)
    {
        var text = new StringBuilder($"This call is already going on; the caller has {(greeted ? "been greeted" : "not been greeted yet")}. What was said so far, as it was heard:\n");
        foreach (var turn in turns)
        {
            text.Append(turn.Speaker == Speaker.Caller ? "Caller: " : "You: ").Append(turn.Text).Append(turn.Cut ? " [cut off by the caller]\n" : "\n");
        }

        return text.ToString();
    }

    private static string In(string? language) => language is null ? "in the language of this call" : $"in the caller's language, {language} (ISO 639-1)";
}

/// <summary>A turn as the other side heard it.</summary>
public sealed record HeardTurn(Speaker Speaker, string Text, bool Cut, long StartMs);
