using System.Threading.Channels;
using Guru.Application.Calls;
using Guru.Application.Conversations;
using Guru.Domain;
using Guru.Domain.Calls;
using Guru.Domain.Conversations;
using Microsoft.Extensions.Logging;

namespace Guru.Application.Voice;

/// <summary>
/// Takes a call's facts off the audio path and appends them behind the conversation: in order, many at once where many
/// wait, again and again while the database does not answer. What it took it does not lose while the process lives, and beyond
/// that the journal has it. A fact that the database will never take is set aside there, and holds up no other. The language
/// that a caller turns out to speak it also tells the caller's conversation.
/// </summary>
public sealed partial class CallRecorder
{
    private const int MostAtOnce = 200;
    private static readonly TimeSpan FirstRetry = TimeSpan.FromMilliseconds(100);
    private static readonly TimeSpan LongestRetry = TimeSpan.FromSeconds(3);

    private readonly IEventStore _store;
    private readonly ICallJournal _journal;
    private readonly CallLog _log;
    private readonly CallSid _callSid;
    private readonly Action<CallCommand> _refused;
    private readonly TimeProvider _time;
    private readonly ILogger _logger;
    private readonly Channel<Entry> _entries = Channel.CreateUnbounded<Entry>(new UnboundedChannelOptions { SingleReader = true });

    private bool _keepsUnfinished;

    /// <param name="refused">Told of a fact that the rules refuse, such as a stream whose token another one used.</param>
    public CallRecorder(
        IEventStore store, ICallJournal journal, CallLog log, CallSid callSid, Action<CallCommand> refused, TimeProvider time, ILogger logger)
    {
        (_store, _journal, _log, _callSid, _refused, _time, _logger) = (store, journal, log, callSid, refused, time, logger);
        Completion = Task.Run(DrainAsync);
    }

    /// <summary>Done when everything taken before <see cref="Complete"/> is stored.</summary>
    public Task Completion { get; }

    /// <summary>The end of the call is stored.</summary>
    public bool HasEnded => _log.State.Ended is not null;

    /// <summary>The caller's language, as the facts stored so far tell it.</summary>
    public string? Language => _log.State.Language;

    /// <summary>Never waits.</summary>
    /// <returns>False once the record is complete.</returns>
    public bool Record(CallCommand fact)
    {
        var kept = _journal.Keep(_callSid, fact);
        if (!_entries.Writer.TryWrite(new Entry(fact, kept, Flushed: null)))
        {
            kept.Stored(); // By whom it is told next.
            return false;
        }

        CallMeter.Queued(1);
        return true;
    }

    /// <summary>
    /// Keeps in the journal how far the utterances have come that are not over, in place of what was kept so before. Only the next start tells of them,
    /// where this process is killed before they are recorded. Not safe for concurrent use.
    /// </summary>
    public void KeepUnfinished(IReadOnlyList<CallCommand> facts)
    {
        if (facts.Count > 0 || _keepsUnfinished)
        {
            _keepsUnfinished = facts.Count > 0;
            _journal.KeepUnfinished(_callSid, facts);
        }
    }

    /// <summary>Waits until everything recorded so far is stored, or the limit is reached.</summary>
    public async Task FlushAsync(TimeSpan limit)
    {
        var flushed = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        if (_entries.Writer.TryWrite(new Entry(Fact: null, Kept: null, flushed)))
        {
            await flushed.Task.WaitAsync(limit, _time).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    public void Complete() => _entries.Writer.TryComplete();

    private async Task DrainAsync()
    {
        var batch = new List<Entry>();
        while (await _entries.Reader.WaitToReadAsync())
        {
            batch.Clear();
            while (batch.Count < MostAtOnce && _entries.Reader.TryRead(out var entry))
            {
                batch.Add(entry);
            }

            await StoreAsync([.. batch.Where(entry => entry.Fact is not null)]);
            foreach (var entry in batch)
            {
                entry.Flushed?.TrySetResult();
                CallMeter.Queued(entry.Fact is null ? 0 : -1);
            }
        }
    }

    private async Task StoreAsync(IReadOnlyList<Entry> entries)
    {
        if (entries.Count == 0)
        {
            return;
        }

        var facts = entries.Select(entry => entry.Fact!).ToList();
        try
        {
            await UntilStoredAsync(facts.Count, () => _log.AppendAsync(facts, Refused, CancellationToken.None));
            await TellConversationAsync(facts);
        }
        catch (EventsRefusedException) when (entries.Count > 1)
        {
            foreach (var entry in entries)
            {
                await StoreAsync([entry]);
            }

            return;
        }
        catch (EventsRefusedException error)
        {
            LogSetAside(_callSid, facts[0].GetType().Name, error.Reason);
            CallMeter.SetAside();
            entries[0].Kept!.SetAside();
            return;
        }

        foreach (var entry in entries)
        {
            entry.Kept!.Stored();
        }
    }

    private async Task TellConversationAsync(IReadOnlyList<CallCommand> facts)
    {
        foreach (var told in facts.OfType<RecordLanguage>().Select(fact => fact.Language))
        {
            if (_log.State.CallerId is not { } caller)
            {
                return;
            }

            var language = new DetermineLanguage(new LanguageDetermined(caller, told.Language, told.Evidence, told.At));
            await UntilStoredAsync(1, () => new ConversationLog(_store, caller).AppendAsync(language, CancellationToken.None));
        }
    }

    private async Task UntilStoredAsync(int facts, Func<Task> append)
    {
        for (var wait = FirstRetry; ;)
        {
            try
            {
                await append();
                return;
            }
            catch (Exception error) when (error is not EventsRefusedException)
            {
                LogRetry(_callSid, facts, wait.TotalMilliseconds, error.Message);
                await Task.Delay(wait, _time);
                wait = wait * 2 < LongestRetry ? wait * 2 : LongestRetry;
            }
        }
    }

    private void Refused(CallCommand fact, RuleException error)
    {
        LogRefused(_callSid, fact.GetType().Name, error.Message);
        _refused(fact);
    }

    /// <param name="Flushed">In place of a fact: told when everything before is stored.</param>
    private readonly record struct Entry(CallCommand? Fact, IKeptFact? Kept, TaskCompletionSource? Flushed);

    [LoggerMessage(Level = LogLevel.Warning, Message = "Call {CallSid}: {Count} facts are not stored yet ({Error}); again in {WaitMs} ms")]
    private partial void LogRetry(CallSid callSid, int count, double waitMs, string error);

    [LoggerMessage(Level = LogLevel.Error, Message = "Call {CallSid}: the database will never take a {Fact} as it is ({Reason}); it is set aside in the journal, and the next start tries again")]
    private partial void LogSetAside(CallSid callSid, string fact, string reason);

    [LoggerMessage(Level = LogLevel.Warning, Message = "Call {CallSid}: {Fact} was refused: {Reason}")]
    private partial void LogRefused(CallSid callSid, string fact, string reason);
}
