using Guru.Domain;
using Guru.Domain.Callers;

namespace Guru.Application;

/// <summary>The pure rules of a kind of stream: what a command causes, and what an event changes.</summary>
public sealed record Decider<TState, TCommand, TEvent>(
    TState Initial, Func<TState, TEvent, TState> Apply, Func<TState, TCommand, IReadOnlyList<TEvent>> Decide)
    where TEvent : class;

/// <summary>One stream: what happened so far, and three beats to add to it: read, decide, append at the expected version.</summary>
/// <remarks>Keeps the state between appends, so that a writer which nobody disturbs reads the stream once.</remarks>
public abstract class DecidedStream<TState, TCommand, TEvent>
    where TState : class
    where TEvent : class
{
    private const int MostConflicts = 20;

    private readonly IEventStore _store;
    private readonly Decider<TState, TCommand, TEvent> _rules;
    private readonly string _streamId;
    private readonly Func<TState, CallerId?> _owner;
    private TState? _state;
    private long _version;

    /// <param name="owner">Whose keys protect the personal data, by the state that an append leads to.</param>
    /// <param name="isNew">Takes the stream as new, so that starting one costs one round trip; it is read when that was wrong.</param>
    protected DecidedStream(
        IEventStore store, Decider<TState, TCommand, TEvent> rules, string streamId, Func<TState, CallerId?> owner, bool isNew)
    {
        (_store, _rules, _streamId, _owner) = (store, rules, streamId, owner);
        _state = isNew ? rules.Initial : null;
    }

    /// <summary>The state as this writer last saw it.</summary>
    public TState State => _state ?? _rules.Initial;

    /// <summary>The version that <see cref="State"/> is of.</summary>
    public ExpectedVersion Version => ExpectedVersion.Exactly(_version);

    /// <summary>Told of what was appended.</summary>
    protected virtual void OnAppended(TEvent @event)
    {
    }

    /// <summary>Reads the stream anew.</summary>
    public async Task<IReadOnlyList<TEvent>> ReadAsync(CancellationToken cancellationToken)
    {
        var stored = await _store.ReadAsync(_streamId, fromVersion: 1, cancellationToken);
        var events = stored.Select(stored => (TEvent)stored.Data).ToList();
        _version = stored.Count == 0 ? 0 : stored[^1].Version;
        _state = events.Aggregate(_rules.Initial, _rules.Apply);
        return events;
    }

    /// <summary>Decides on a command and appends what it causes.</summary>
    /// <exception cref="RuleException">The rules refuse it.</exception>
    public Task<IReadOnlyList<TEvent>> AppendAsync(TCommand command, CancellationToken cancellationToken) =>
        AppendAsync(command, _ => { }, cancellationToken);

    /// <summary>The same, for who has read the stream and goes by what is in it.</summary>
    /// <param name="readAgain">Given all of it where another has appended meanwhile.</param>
    /// <exception cref="RuleException">The rules refuse it.</exception>
    public Task<IReadOnlyList<TEvent>> AppendAsync(TCommand command, Action<IReadOnlyList<TEvent>> readAgain, CancellationToken cancellationToken) =>
        AppendAsync([command], (_, error) => throw error, readAgain, cancellationToken);

    /// <summary>Decides on several commands in order and appends what they cause, all or none.</summary>
    /// <param name="refused">Told of each command that the rules refuse; the others go on.</param>
    /// <returns>The events appended.</returns>
    public Task<IReadOnlyList<TEvent>> AppendAsync(
        IReadOnlyList<TCommand> commands, Action<TCommand, RuleException> refused, CancellationToken cancellationToken) =>
        AppendAsync(commands, refused, _ => { }, cancellationToken);

    private async Task<IReadOnlyList<TEvent>> AppendAsync(
        IReadOnlyList<TCommand> commands, Action<TCommand, RuleException> refused, Action<IReadOnlyList<TEvent>> readAgain, CancellationToken cancellationToken)
    {
        for (var conflicts = 0; ; conflicts++)
        {
            if (_state is null)
            {
                readAgain(await ReadAsync(cancellationToken));
            }

            var state = State;
            var events = new List<TEvent>();
            var refusals = new List<(TCommand Command, RuleException Error)>();
            foreach (var command in commands)
            {
                try
                {
                    foreach (var @event in _rules.Decide(state, command))
                    {
                        state = _rules.Apply(state, @event);
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
                    _version = await _store.AppendAsync(_streamId, Version, _owner(state), events, cancellationToken);
                    events.ForEach(OnAppended);
                }
            }
            catch (Exception error)
            {
                // Whether it was a conflict or an answer that never came: only the stream knows what is in it.
                _state = null;
                if (error is not VersionConflictException || conflicts >= MostConflicts)
                {
                    throw;
                }

                continue;
            }

            _state = state;
            refusals.ForEach(refusal => refused(refusal.Command, refusal.Error));
            return events;
        }
    }
}
