using System.Collections.Concurrent;
using Guru.Application.Voice;
using Guru.Domain.Calls;
using Microsoft.Extensions.Logging;

namespace Guru.Application.VoiceSessions;

/// <summary>The calls between browsers and the model that this process attends.</summary>
public sealed partial class BrowserCalls(Switchboard switchboard, TimeProvider time, ILogger<BrowserCalls> logger)
{
    /// <summary>The agent greets when the browser listens, or after this.</summary>
    private static readonly TimeSpan FirstListening = TimeSpan.FromSeconds(1.5);

    private readonly ConcurrentDictionary<CallSid, BrowserLine> _lines = new();

    /// <summary>Null for a call that is not attended here, or is over.</summary>
    public BrowserLine? Find(CallSid callSid) => _lines.GetValueOrDefault(callSid);

    /// <summary>Attends a call until it is over. Its start is on record.</summary>
    /// <param name="token">The one that the start has opened.</param>
    public void Attend(BrowserLine line, ExpectedCall call, string token)
    {
        _lines[call.CallSid] = line;
        var place = switchboard.KeepPlace(call.CallSid);
        _ = Task.Run(() => CarryAsync(line, call, token, place), CancellationToken.None);
    }

    /// <summary>A call was refused, since its start was not stored in time. If it is on record after all, it has ended there.</summary>
    /// <param name="storing">Done when the start is stored, or will not be.</param>
    public void Refused(CallSid callSid, Task storing) => _ = Task.Run(
        async () =>
        {
            var at = time.GetUtcNow();
            await storing.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            await switchboard.RecordLater(callSid, new EndCall(CallEndReason.Failed, at));
        },
        CancellationToken.None);

    private async Task CarryAsync(BrowserLine line, ExpectedCall call, string token, IDisposable place)
    {
        try
        {
            using (place)
            {
                await line.Attended.WaitAsync(FirstListening, time).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
                switchboard.Expect(call);
            }

            await switchboard.ConnectAsync(line, call.CallSid, token, CancellationToken.None);
        }
        catch (Exception error)
        {
            LogFailed(call.CallSid, error);
        }
        finally
        {
            _lines.TryRemove(call.CallSid, out _);
        }
    }

    [LoggerMessage(Level = LogLevel.Error, Message = "Call {CallSid}: it could not be attended")]
    private partial void LogFailed(CallSid callSid, Exception error);
}
