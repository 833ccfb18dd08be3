using Guru.Application.Voice;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace Guru.Application.Calls;

/// <summary>
/// Stores, at the start, what earlier processes on this machine knew of calls and had not stored when they died. Facts that were stored
/// all the same cause nothing: a call knows what it has been told.
/// </summary>
internal sealed partial class JournalRecovery(ICallJournal journal, Switchboard switchboard, ILogger<JournalRecovery> logger) : BackgroundService
{
    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        try
        {
            await RecoverAsync(stoppingToken);
        }
        catch (Exception error)
        {
            LogFailed(error); // The files stay for the next start; the host, which has calls, goes on.
        }
    }

    private async Task RecoverAsync(CancellationToken stoppingToken)
    {
        foreach (var left in journal.TakeOver())
        {
            using (left)
            {
                var calls = left.Facts.GroupBy(kept => kept.CallSid, kept => kept.Fact).ToList();
                if (calls.Count > 0)
                {
                    LogRecovering(left.Facts.Count, calls.Count);
                }

                // By then each fact is in the database or set aside anew; a process that dies before finds this journal again.
                await Task.WhenAll(calls.Select(call => switchboard.RecordLater(call.Key, call))).WaitAsync(stoppingToken)
                    .ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
                if (stoppingToken.IsCancellationRequested)
                {
                    return;
                }

                left.Delete();
            }
        }
    }

    [LoggerMessage(Level = LogLevel.Information, Message = "The journal has {Facts} facts of {Calls} calls that may not be stored; they are now")]
    private partial void LogRecovering(int facts, int calls);

    [LoggerMessage(Level = LogLevel.Error, Message = "What the journal has cannot be stored now: it stays until the next start")]
    private partial void LogFailed(Exception error);
}
