using System.Security.Cryptography;
using System.Text;
using Guru.Domain.Callers;
using Guru.Domain.Calls;

namespace Guru.Application.Voice;

/// <summary>What must be known of a call to carry it over a Media Stream.</summary>
/// <param name="StreamTokenHash">Of the token that the stream must present.</param>
/// <param name="Earlier">Null for a call that had no stream yet.</param>
/// <param name="Memory">What the agent is told of the time before the call; null where there is nothing.</param>
public sealed record ExpectedCall(
    CallSid CallSid, CallerId CallerId, string Agent, string? Language, string StreamTokenHash, EarlierStreams? Earlier, string? Memory)
{
    /// <summary>Why Guru calls; null where it is called.</summary>
    public string? Purpose { get; init; }

    public override string ToString() => $"{nameof(ExpectedCall)} {CallSid}";

    /// <summary>Reads it out of a started call's events.</summary>
    /// <param name="memory">What was known before the call.</param>
    public static ExpectedCall From(CallSid callSid, IReadOnlyList<CallEvent> events, string streamTokenHash, string? memory)
    {
        var call = Call.Fold(events);
        var soFar = events.OfType<UtteranceTranscribed>()
            .Where(turn => turn.Heard.Length > 0)
            .OrderBy(turn => turn.StartMs)
            .Select(turn => new HeardTurn(turn.Speaker, turn.Heard, turn.Interrupted, turn.StartMs))
            .ToList();
        var connectedAt = events.OfType<MediaStreamConnected>().FirstOrDefault(connected => connected.StreamTokenHash != streamTokenHash)?.At;
        return new ExpectedCall(
            callSid, call.CallerId!.Value, call.Agent, call.Language, streamTokenHash, connectedAt is { } zero ? new EarlierStreams(zero, soFar) : null,
            memory) { Purpose = call.Purpose };
    }
}

/// <summary>How a call ended that was on this process's line.</summary>
public sealed record CallEnding(CallEndReason Reason, string? Language);

/// <summary>A call's life before the stream that is expected now.</summary>
/// <param name="Zero">When its first stream connected: the zero of the call's clock.</param>
public sealed record EarlierStreams(DateTimeOffset Zero, IReadOnlyList<HeardTurn> SoFar);

/// <summary>
/// The one-time token that ties a Media Stream to a call, since the stream's parameters are not signed. It is derived from
/// the server's secret, so that any node gives a webhook that is delivered twice the same answer.
/// </summary>
public static class StreamToken
{
    /// <param name="attempt">0 for the call's first stream, then one more for each.</param>
    public static string For(CallSid callSid, int attempt, ReadOnlySpan<byte> secret) =>
        Convert.ToHexStringLower(HMACSHA256.HashData(secret, Encoding.UTF8.GetBytes($"media-stream:{callSid}:{attempt}")));

    public static string Hash(string token) => Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(token)));
}
