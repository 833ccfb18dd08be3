using Guru.Sandbox.Twilio;

namespace Guru.EndToEnd.Tests;

/// <summary>Scripts that several tests use.</summary>
internal static class Calls
{
    private static readonly TimeSpan Beat = TimeSpan.FromMilliseconds(400);

    /// <summary>Listens to the greeting, says one thing, listens, hangs up.</summary>
    public static CallOptions Short(string sample = "yes-en") => new()
    {
        Script =
        [
            new CallerTurn(new AgentFinished(Beat), new Say(sample)),
            new CallerTurn(new AgentFinished(Beat), new HangUp()),
        ],
    };

    /// <summary>Hangs up as soon as it has been greeted.</summary>
    public static CallOptions Greeted { get; } = new() { Script = [new CallerTurn(new AgentSpeaking(Beat), new HangUp())] };
}
