using System.ComponentModel.DataAnnotations;
using Guru.Application.Voice;
using Guru.Domain.Callers;
using Guru.Domain.Calls;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;

namespace Guru.Application.Traces;

/// <summary>Section <c>Guru:Traces</c>.</summary>
public sealed class TraceSettings
{
    /// <summary>Whether calls are traced, so that they can be replayed.</summary>
    public bool Enabled { get; set; }

    /// <summary>The largest trace of a stream, before it is packed; it is cut there. Half an hour has about 4,000.</summary>
    [Range(16, 1_000_000)]
    public int MostKilobytes { get; set; } = 16_000;

    /// <summary>How long traces are kept.</summary>
    [Range(1, 3650)]
    public int Days { get; set; } = 30;
}

/// <summary>Has calls traced, and keeps the traces when the calls are over.</summary>
public sealed partial class CallTracer(ICallTraces traces, IOptions<TraceSettings> settings, TimeProvider time, ILogger<CallTracer> logger)
{
    private const int MostAttempts = 6;
    private static readonly TimeSpan FirstRetry = TimeSpan.FromMilliseconds(200);

    /// <summary>Null where calls are not traced.</summary>
    public CallTrace? Begin(CallSessionStart start, CallRules rules) =>
        settings.Value.Enabled ? new CallTrace(start, rules, settings.Value.MostKilobytes * 1000) : null;

    /// <summary>A database that does not answer is asked again for a while; then the trace is let go, and the log says so.</summary>
    public async Task KeepAsync(CallSid callSid, CallerId callerId, string streamSid, DateTimeOffset startedAt, CallTrace trace)
    {
        var text = TraceText.Fold(trace.Close().Span);
        if (trace.IsCut)
        {
            LogCut(callSid, streamSid);
        }

        var oldest = time.GetUtcNow().AddDays(-settings.Value.Days);
        for (var attempt = 1; ; attempt++)
        {
            try
            {
                await traces.KeepAsync(new KeptTrace(callSid, callerId, streamSid, startedAt, text), oldest, CancellationToken.None);
                return;
            }
            catch (Exception error) when (attempt < MostAttempts)
            {
                LogRetry(callSid, streamSid, error.GetType().Name);
                await Task.Delay(FirstRetry * (1 << (attempt - 1)), time);
            }
            catch (Exception error)
            {
                LogLost(callSid, streamSid, error);
                return;
            }
        }
    }

    [LoggerMessage(Level = LogLevel.Warning, Message = "Call {CallSid}: the trace of stream {StreamSid} was too large, and ends before the call did")]
    private partial void LogCut(CallSid callSid, string streamSid);

    [LoggerMessage(Level = LogLevel.Information, Message = "Call {CallSid}: the trace of stream {StreamSid} is not stored yet ({Error})")]
    private partial void LogRetry(CallSid callSid, string streamSid, string error);

    [LoggerMessage(Level = LogLevel.Error, Message = "Call {CallSid}: the trace of stream {StreamSid} could not be stored, and is lost")]
    private partial void LogLost(CallSid callSid, string streamSid, Exception error);
}
