using Guru.Domain.Calls;

namespace Guru.Infrastructure.Postgres;

/// <summary>What the name of a call's event stream tells.</summary>
internal static class CallStream
{
    private const string Prefix = "call-";

    /// <summary>In SQL, when an utterance <c>u</c> of a call <c>c</c> began, by the clock that texts go by.</summary>
    public const string SpokenAt = "coalesce(c.first_connected_at, c.started_at) + u.start_ms * interval '1 millisecond'";

    public static string? SidOf(string streamId) =>
        streamId.StartsWith(Prefix, StringComparison.Ordinal) ? streamId[Prefix.Length..] : null;

    public static CallChannel ChannelOf(string callSid) =>
        callSid.StartsWith("rtc_", StringComparison.Ordinal) ? CallChannel.Webapp : CallChannel.Whatsapp;
}
