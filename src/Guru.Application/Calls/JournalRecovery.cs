using Guru.Application.Voice;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace Guru.Application.Calls;

/// <summary>
/// Stores what earlier processes on this machine knew of calls and had not stored when they ended: at the start, and then what could not be read at first, and what another
/// process leaves that ends later. Facts that were stored all the same cause nothing: a call knows what it has been told.
/// </summary>
internal sealed partial class JournalRecovery(ICallJournal journal, Switchboard switchboard, TimeProvider time, ILogger<JournalRecovery> logger) : BackgroundService
{
    private static readonly TimeSpan BetweenLooks = TimeSpan.FromSeconds(15);

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        using var clock = new PeriodicTimer(BetweenLooks, time);
        do
        {
            try
            {
                await RecoverAsync(stoppingToken);
            }
            catch (Exception error)
            {
                LogFailed(error); // The files stay; the host, which has calls, goes on.
            }
        }
        while (await clock.WaitForNextTickAsync(stoppingToken));
    }

    private async Task RecoverAsync(CancellationToken stoppingToken)
    {
        var journals = journal.TakeOver();
        try
        {
            foreach (var left in journals)
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
        finally
        {
            foreach (var left in journals)
            {
                left.Dispose();
            }
        }
    }

    [LoggerMessage(Level = LogLevel.Information, Message = "The journal has {Facts} facts of {Calls} calls that may not be on record: what is not is stored now")]
    private partial void LogRecovering(int facts, int calls);

    [LoggerMessage(Level = LogLevel.Error, Message = "What the journal has cannot be stored now: it stays, and is tried again")]
    private partial void LogFailed(Exception error);
}
