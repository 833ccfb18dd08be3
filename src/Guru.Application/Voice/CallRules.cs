using System.ComponentModel.DataAnnotations;

namespace Guru.Application.Voice;

/// <summary>The limits of a call; section <c>Guru:Calls</c>.</summary>
public sealed class CallRules
{
    /// <summary>The longest a call may last; then the agent says goodbye.</summary>
    [Range(10, 4 * 3600)]
    public double MaxDurationSeconds { get; set; } = 1800;

    /// <summary>How long both sides may be silent before the agent asks whether the caller is still there.</summary>
    [Range(0.2, 600)]
    public double SilenceSeconds { get; set; } = 20;

    /// <summary>How often the agent asks before it ends the call.</summary>
    [Range(0, 10)]
    public int Reprompts { get; set; } = 1;

    /// <summary>After the end of a caller's turn, how long the model may say nothing before it is asked again.</summary>
    [Range(0.2, 60)]
    public double AnswerSeconds { get; set; } = 8;

    /// <summary>How long a goodbye may take from the decision to the hang-up.</summary>
    [Range(0.2, 120)]
    public double GoodbyeSeconds { get; set; } = 20;

    /// <summary>How long another agent's session is waited for in a hand-over; then the present agent stays.</summary>
    [Range(0.2, 60)]
    public double HandOffSeconds { get; set; } = 6;

    /// <summary>How often a call may be handed over; then the agent who has it keeps it.</summary>
    [Range(0, 100)]
    public int MostHandOffs { get; set; } = 8;

    /// <summary>How long a lost or rate-limited model may stay away before the call ends.</summary>
    [Range(0.2, 120)]
    public double ModelGoneSeconds { get; set; } = 15;

    /// <summary>How long the transcript of the caller's last words, and what the last response used, are waited for after the hang-up.</summary>
    [Range(0, 30)]
    public double LastWordsSeconds { get; set; } = 3;

    /// <summary>While the caller speaks, how long no audio may come before silence is put in its place.</summary>
    [Range(0.1, 10)]
    public double MediaGapSeconds { get; set; } = 1.5;

    /// <summary>How long before the model's session expires a new one is opened, between turns.</summary>
    [Range(1, 1800)]
    public double RenewBeforeExpirySeconds { get; set; } = 420;

    /// <summary>How many calls this process takes at once; more hear that all lines are busy.</summary>
    [Range(1, 100_000)]
    public int MaxConcurrent { get; set; } = 1000;

    /// <summary>How often a call goes on over a new Media Stream after it lost one.</summary>
    [Range(0, 20)]
    public int MostResumes { get; set; } = 3;

    /// <summary>How long live calls may go on once Guru was asked to stop.</summary>
    [Range(0, 3600)]
    public double DrainSeconds { get; set; } = 120;

    /// <summary>How long a model session dialled at the webhook waits for its Media Stream.</summary>
    [Range(1, 60)]
    public double UnusedModelSeconds { get; set; } = 20;

    /// <summary>How long the webhook waits for the database before the caller hears an apology.</summary>
    [Range(0.1, 10)]
    public double CommitSeconds { get; set; } = 1;

    /// <summary>How long the hang-up waits for its record, so that the carrier's next question finds it.</summary>
    [Range(0, 10)]
    public double HangUpFlushSeconds { get; set; } = 2;

    /// <summary>How long nothing may have been recorded of a call that goes on before the carrier is asked whether it does.</summary>
    [Range(1, 3600)]
    public double QuietSeconds { get; set; } = 60;

    /// <summary>Say a fixed sentence before the stream is connected.</summary>
    public bool SayBeforeConnect { get; set; }

    public TimeSpan Drain => TimeSpan.FromSeconds(DrainSeconds);

    internal TimeSpan UnusedModel => TimeSpan.FromSeconds(UnusedModelSeconds);

    internal TimeSpan Commit => TimeSpan.FromSeconds(CommitSeconds);

    internal TimeSpan HangUpFlush => TimeSpan.FromSeconds(HangUpFlushSeconds);

    internal TimeSpan MaxDuration => TimeSpan.FromSeconds(MaxDurationSeconds);

    internal TimeSpan Quiet => TimeSpan.FromSeconds(QuietSeconds);

    /// <summary>No call lasts longer.</summary>
    internal TimeSpan Longest => MaxDuration + Goodbye + Quiet;

    internal TimeSpan Silence => TimeSpan.FromSeconds(SilenceSeconds);

    internal TimeSpan Answer => TimeSpan.FromSeconds(AnswerSeconds);

    internal TimeSpan Goodbye => TimeSpan.FromSeconds(GoodbyeSeconds);

    internal TimeSpan HandOff => TimeSpan.FromSeconds(HandOffSeconds);

    internal TimeSpan ModelGone => TimeSpan.FromSeconds(ModelGoneSeconds);

    internal TimeSpan LastWords => TimeSpan.FromSeconds(LastWordsSeconds);

    internal TimeSpan MediaGap => TimeSpan.FromSeconds(MediaGapSeconds);

    internal TimeSpan RenewBeforeExpiry => TimeSpan.FromSeconds(RenewBeforeExpirySeconds);
}
