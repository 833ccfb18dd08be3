using Guru.Domain.Calls;

namespace Guru.Infrastructure.Postgres;

/// <summary>What the name of a call's event stream tells.</summary>
internal static class CallStream
{
    private const string Prefix = "call-";

    public static string? SidOf(string streamId) =>
        streamId.StartsWith(Prefix, StringComparison.Ordinal) ? streamId[Prefix.Length..] : null;

    public static CallChannel ChannelOf(string callSid) =>
        callSid.StartsWith("rtc_", StringComparison.Ordinal) ? CallChannel.Webapp : CallChannel.Whatsapp;
}
