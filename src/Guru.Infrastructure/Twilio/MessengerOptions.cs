using System.ComponentModel.DataAnnotations;

namespace Guru.Infrastructure.Twilio;

/// <summary>How long Twilio's REST API is waited for; section <c>Guru:Messenger</c>.</summary>
public sealed record MessengerOptions
{
    /// <summary>How long connecting may take.</summary>
    [Range(0.1, 60)]
    public double ConnectTimeoutSeconds { get; init; } = 5;

    /// <summary>How long an answer may take. A message whose answer does not come may have been sent all the same.</summary>
    [Range(0.1, 120)]
    public double RequestTimeoutSeconds { get; init; } = 15;

    /// <summary>How long the fetching of one medium may take.</summary>
    [Range(0.1, 300)]
    public double DownloadTimeoutSeconds { get; init; } = 30;

    /// <summary>How often what only reads is asked for again. What sends never is: the work queue looks first for what was sent.</summary>
    [Range(0, 10)]
    public int Repeats { get; init; } = 2;

    /// <summary>The wait before the first repeat; it doubles, give or take chance.</summary>
    [Range(0.001, 60)]
    public double RepeatDelaySeconds { get; init; } = 0.5;

    /// <summary>The longest wait before a repeat. When Twilio asks for a longer one, waiting is left to the work queue.</summary>
    [Range(0.001, 60)]
    public double LongestRepeatDelaySeconds { get; init; } = 5;
}
