using Guru.Application.Voice;
using Guru.Domain;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace Guru.Application.Conversations;

/// <summary>Keeps messages that the database does not take on this machine until it does, so that they outlive the process.</summary>
public interface IMessageJournal
{
    /// <summary>What waits for the database, in the order in which it came, to this process or to those that it took over from.</summary>
    IReadOnlyList<ReceiveWhatsAppMessage> Waiting { get; }

    /// <summary>
    /// Whether a message of a <see cref="ReceiveWhatsAppMessage.Person"/> waits, so that what they write next waits, too. Not for what is theirs altogether: what was set aside
    /// holds up nobody, and is to be erased with them all the same (<see cref="Privacy.IPersonalStore.HasOf"/>).
    /// </summary>
    bool HasWaiting(string person);

    /// <summary>Takes over what other processes on this machine have left since the last look, as far as it can be read now.</summary>
    void TakeOver();

    /// <summary>Keeps a message; it is on the disk before this returns.</summary>
    /// <exception cref="IOException">The journal is full, or the disk does not take it.</exception>
    void Keep(ReceiveWhatsAppMessage message);

    /// <summary>The database has it.</summary>
    void Stored(ReceiveWhatsAppMessage message);

    /// <summary>The database will never take it as it is. It stays, holds up nobody, and the next start tries again.</summary>
    void SetAside(ReceiveWhatsAppMessage message);
}

/// <summary>Puts on record, once the database answers again, what people wrote while it did not: each person's messages in their order.</summary>
internal sealed partial class LateMessages(IMessageJournal journal, MessageReception reception, TimeProvider time, ILogger<LateMessages> logger) : BackgroundService
{
    /// <summary>It is not about the messages then.</summary>
    private const int MostFailures = 3;

    private static readonly TimeSpan BetweenLooks = TimeSpan.FromSeconds(1);

    /// <summary>How often it failed for somebody, so that the others come first.</summary>
    private readonly Dictionary<string, int> _failures = new(StringComparer.Ordinal);

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        using var clock = new PeriodicTimer(BetweenLooks, time);
        do
        {
            await StoreAsync(stoppingToken);
        }
        while (await clock.WaitForNextTickAsync(stoppingToken));
    }

    private async Task StoreAsync(CancellationToken cancellationToken)
    {
        journal.TakeOver();
        var outcomes = new List<ReceptionOutcome>();
        try
        {
            await StoreAsync(outcomes, cancellationToken);
        }
        finally
        {
            if (outcomes.Count > 0)
            {
                LogSettled(
                    outcomes.Count, outcomes.Count(outcome => outcome == ReceptionOutcome.Stored), outcomes.Count(outcome => outcome == ReceptionOutcome.Known),
                    outcomes.Count(outcome => outcome == ReceptionOutcome.Erased));
            }
        }
    }

    private async Task StoreAsync(List<ReceptionOutcome> outcomes, CancellationToken cancellationToken)
    {
        var failures = 0;
        foreach (var person in journal.Waiting.GroupBy(message => message.Person, StringComparer.Ordinal).OrderBy(person => _failures.GetValueOrDefault(person.Key)).ToList())
        {
            if (await TryStoreAsync(person, outcomes, cancellationToken))
            {
                failures = 0;
                _failures.Remove(person.Key);
                continue;
            }

            _failures[person.Key] = _failures.GetValueOrDefault(person.Key) + 1;
            if (++failures == MostFailures)
            {
                return;
            }
        }
    }

    /// <returns>False: what is left of them is tried again.</returns>
    private async Task<bool> TryStoreAsync(IEnumerable<ReceiveWhatsAppMessage> messages, List<ReceptionOutcome> outcomes, CancellationToken cancellationToken)
    {
        foreach (var message in messages)
        {
            try
            {
                outcomes.Add(await reception.StoreAsync(message, cancellationToken));
                journal.Stored(message);
            }
            catch (Exception error) when (error is EventsRefusedException or RuleException)
            {
                journal.SetAside(message);
                CallMeter.SetAside();
                LogSetAside(message.MessageSid!, (error as EventsRefusedException)?.Reason ?? error.GetType().Name);
            }
            catch (Exception error) when (!cancellationToken.IsCancellationRequested)
            {
                LogRetry(message.MessageSid!, error.GetType().Name);
                return false;
            }
        }

        return true;
    }

    [LoggerMessage(
        Level = LogLevel.Information,
        Message = "{Messages} messages wait in the journal no more: {Stored} are stored, {Known} were on record already, and {Erased} are dropped, since who wrote them was erased")]
    private partial void LogSettled(int messages, int stored, int known, int erased);

    [LoggerMessage(Level = LogLevel.Warning, Message = "The message {MessageSid} is not stored yet ({Error}); it is tried again")]
    private partial void LogRetry(string messageSid, string error);

    [LoggerMessage(Level = LogLevel.Error, Message = "The database will never take the message {MessageSid} as it is ({Reason}); it stays in the journal, and the next start tries again")]
    private partial void LogSetAside(string messageSid, string reason);
}
