using Guru.Application.Voice;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;

namespace Guru.Application.Recordings;

/// <summary>Has calls recorded where that is wanted: those whose sound passes here.</summary>
public sealed class CallRecordings(
    IRecordingStore store, IOptions<RecordingSettings> settings, TimeProvider time, ILogger<CallRecording> logger)
{
    public bool AreMade => settings.Value.Enabled;

    /// <summary>Null where the call is not recorded.</summary>
    internal CallRecording? Begin(ExpectedCall call, string streamSid, DateTimeOffset zero, DateTimeOffset connectedAt, string node)
    {
        if (!AreMade || call.CallSid.IsWebapp)
        {
            return null;
        }

        // From the stream's beginning, also where it waited to be admitted: what was said meanwhile is read now, and belongs there.
        var startsAt = SinceZero(connectedAt);
        return new CallRecording(
            store, new RecordedStream(call.CallSid, call.CallerId, streamSid, connectedAt, (long)startsAt.TotalMilliseconds), node, SinceZero(time.GetUtcNow()), time, logger);

        TimeSpan SinceZero(DateTimeOffset at) => at > zero ? at - zero : TimeSpan.Zero;
    }
}
