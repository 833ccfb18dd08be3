using Guru.Application.Voice;
using Guru.Domain;
using Guru.Domain.Calls;

namespace Guru.Application.Calls;

/// <summary>One call's stream: what happened so far, and three beats to add to it: read, decide, append at the expected version.</summary>
/// <remarks>Keeps the state between appends, so that a writer which nobody disturbs reads the stream once.</remarks>
public sealed class CallLog(IEventStore store)
{
    private const int MostConflicts = 20;

    private Call? _call;
    private long _version;

    /// <summary>The call as this log last saw it.</summary>
    public Call Call => _call ?? Call.NotStarted;

    /// <summary>A log that takes the stream as new, so that starting a call costs one round trip.</summary>
    public static CallLog ForNewCall(IEventStore store) => new(store) { _call = Call.NotStarted };

    /// <summary>Reads the stream anew.</summary>
    public async Task<IReadOnlyList<CallEvent>> ReadAsync(CallSid callSid, CancellationToken cancellationToken)
    {
        var stored = await store.ReadAsync(Call.StreamId(callSid), fromVersion: 1, cancellationToken);
        var events = stored.Select(stored => (CallEvent)stored.Data).ToList();
        _version = stored.Count == 0 ? 0 : stored[^1].Version;
        _call = Call.Fold(events);
        return events;
    }

    /// <summary>Decides on a command and appends what it causes.</summary>
    /// <exception cref="RuleException">The rules refuse it.</exception>
    public Task<IReadOnlyList<CallEvent>> AppendAsync(CallSid callSid, CallCommand command, CancellationToken cancellationToken) =>
        AppendAsync(callSid, [command], (_, error) => throw error, cancellationToken);

    /// <summary>Decides on several commands in order and appends what they cause, all or none.</summary>
    /// <param name="refused">Told of each command that the rules refuse; the others go on.</param>
    /// <returns>The events appended.</returns>
    public async Task<IReadOnlyList<CallEvent>> AppendAsync(
        CallSid callSid, IReadOnlyList<CallCommand> commands, Action<CallCommand, RuleException> refused, CancellationToken cancellationToken)
    {
        for (var conflicts = 0; ; conflicts++)
        {
            if (_call is null)
            {
                await ReadAsync(callSid, cancellationToken);
            }

            var call = Call;
            var events = new List<CallEvent>();
            var refusals = new List<(CallCommand, RuleException)>();
            foreach (var command in commands)
            {
                try
                {
                    foreach (var @event in Call.Decide(call, command))
                    {
                        call = Call.Apply(call, @event);
                        events.Add(@event);
                    }
                }
                catch (RuleException error)
                {
                    refusals.Add((command, error));
                }
            }

            try
            {
                if (events.Count > 0)
                {
                    _version = await store.AppendAsync(
                        Call.StreamId(callSid), ExpectedVersion.Exactly(_version), call.CallerId, events, cancellationToken);
                    events.ForEach(CallMeter.Count);
                }
            }
            catch (Exception error)
            {
                // Whether it was a conflict or an answer that never came: only the stream knows what is in it.
                _call = null;
                if (error is not VersionConflictException || conflicts >= MostConflicts)
                {
                    throw;
                }

                continue;
            }

            _call = call;
            refusals.ForEach(refusal => refused(refusal.Item1, refusal.Item2));
            return events;
        }
    }
}
