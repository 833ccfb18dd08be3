using Guru.Sandbox.OpenAI;
using Guru.Sandbox.Twilio;

namespace Guru.Sandbox.Scenarios;

/// <summary>A call as Guru recorded it, wherever that was read.</summary>
/// <param name="EventTypes">In order.</param>
/// <param name="EndReason">As in the contract; null while the call is not over.</param>
public sealed record CallRecord(IReadOnlyList<RecordedUtterance> Utterances, IReadOnlyList<string> EventTypes, string? EndReason);

/// <param name="Speaker">caller or agent.</param>
public sealed record RecordedUtterance(string Speaker, string Said, string Heard, bool Interrupted, long StartMs, long EndMs)
{
    /// <summary>Length of the audio that was heard; null: where the record does not say, the time between start and end.</summary>
    public long? HeardMs { get; init; }

    /// <summary>Who spoke, or was spoken to.</summary>
    public string? Agent { get; init; }

    public override string ToString() => $"{Speaker} {(Interrupted ? "(cut off) " : "")}\"{Said}\"";
}

/// <summary>The same call, as both ends of the wire saw it.</summary>
/// <param name="Truncations">Of all model sessions, in order.</param>
/// <param name="Heard">What really reached the caller's ear; empty when nobody measured.</param>
/// <param name="Sentences">Said by the carrier.</param>
public sealed record WireFacts(IReadOnlyList<Truncation> Truncations, IReadOnlyList<HeardLine> Heard, IReadOnlyList<string> Sentences);
