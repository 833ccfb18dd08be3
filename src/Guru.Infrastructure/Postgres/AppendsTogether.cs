using Guru.Application;
using Guru.Domain.Callers;
using Npgsql;

namespace Guru.Infrastructure.Postgres;

/// <summary>An append with all that it writes.</summary>
internal sealed record ReadyAppend(
    string StreamId, ExpectedVersion Expected, CallerId? Owner, WrittenEvents Written, IReadOnlyList<SqlCommand> Changes)
{
    public int Length { get; } = Written.Events.Sum(@event => @event.Json.Length);
}

/// <summary>
/// Appends that wait go together. There are few lanes: an append that finds one free goes at once, and those that come while all are taken wait for one
/// and then go as one transaction. Nobody waits for company.
/// <list type="bullet">
/// <item>One of a stream, and one of a caller, is under way at a time, and they keep their order: no two write to the same rows.</item>
/// <item>Whose transaction fails together with others tries again alone, so that each has an answer of its own: in a lane, before those that came later. What is the server's
/// failure is everybody's.</item>
/// <item>Who is cancelled while waiting goes away; what has begun together with others is not stopped for one of them.</item>
/// <item>What takes long leaves its lane to the next, and goes on beside it.</item>
/// </list>
/// </summary>
/// <param name="write">Writes them in one transaction, and tells the new version of each stream.</param>
internal sealed class AppendsTogether(
    Func<IReadOnlyList<ReadyAppend>, CancellationToken, Task<IReadOnlyList<long>>> write, TimeProvider time)
{
    private const int Lanes = 2;
    private const int MostAppends = 32;
    private const int MostEvents = 256;

    /// <summary>Of JSON.</summary>
    private const int MostCharacters = 256 * 1024;

    private static readonly TimeSpan Long = TimeSpan.FromMilliseconds(100);

    private readonly Lock _lock = new();
    private readonly LinkedList<Turn> _waiting = [];
    private readonly HashSet<string> _underWay = new(StringComparer.Ordinal);
    private int _free = Lanes;

    public async Task<long> AppendAsync(ReadyAppend append, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        var turn = new Turn(append);
        lock (_lock)
        {
            _waiting.AddLast(turn.Place);
            Begin();
        }

        return await ComeAsync(turn, cancellationToken);
    }

    private async Task<long> ComeAsync(Turn turn, CancellationToken cancellationToken)
    {
        Func<CancellationToken, Task<long>> go;
        using (cancellationToken.UnsafeRegister(_ => Withdraw(turn, cancellationToken), null))
        {
            go = await turn.Come;
        }

        return await go(cancellationToken);
    }

    private async Task<long> LeadAsync(List<Turn> turns, CancellationToken cancellationToken)
    {
        var writing = turns is [var one] ? AloneAsync(one, cancellationToken) : TogetherAsync(turns, cancellationToken);
        await ((Task)writing).WaitAsync(Long, time, CancellationToken.None).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        lock (_lock)
        {
            _free++;
            Begin();
        }

        return await writing;
    }

    private async Task<long> TogetherAsync(List<Turn> turns, CancellationToken cancellationToken)
    {
        try
        {
            var versions = await write(turns.ConvertAll(turn => turn.Append), CancellationToken.None);
            End(turns);
            foreach (var (turn, version) in turns.Zip(versions).Skip(1))
            {
                turn.Do(_ => Task.FromResult(version));
            }

            return versions[0];
        }
        catch (Exception e) when (IsOfOne(e))
        {
            GoAgain(turns.Skip(1));
            return await AloneAsync(turns[0], cancellationToken);
        }
        catch (Exception e)
        {
            End(turns);
            foreach (var turn in turns.Skip(1))
            {
                turn.Do(_ => Task.FromException<long>(e));
            }

            throw;
        }
    }

    /// <summary>They wait for a lane once more, each for itself.</summary>
    private void GoAgain(IEnumerable<Turn> turns)
    {
        lock (_lock)
        {
            foreach (var turn in turns.Reverse())
            {
                var alone = new Turn(turn.Append, alone: true);
                _underWay.ExceptWith(turn.Names);
                _waiting.AddFirst(alone.Place);
                turn.Do(token => ComeAsync(alone, token));
            }

            Begin();
        }
    }

    private async Task<long> AloneAsync(Turn turn, CancellationToken cancellationToken)
    {
        try
        {
            return (await write([turn.Append], cancellationToken))[0];
        }
        finally
        {
            End([turn]);
        }
    }

    /// <summary>
    /// Whether one append may be at fault, if only by what it touches, such as a damaged page, and nothing is stored for sure: not where the connection is lost
    /// or the time is over, and not where the server lacks something or is stopped.
    /// </summary>
    private static bool IsOfOne(Exception e) => e is PostgresException told
        ? told.InvariantSeverity == "ERROR" && told.SqlState[..2] is not ("08" or "53" or "58")
        : e is not NpgsqlException;

    /// <summary>Within the lock: hands the free lanes to those that wait.</summary>
    private void Begin()
    {
        while (_free > 0 && Take() is [var first, ..] turns)
        {
            _free--;
            first.Do(token => LeadAsync(turns, token));
        }
    }

    private List<Turn> Take()
    {
        var turns = new List<Turn>();
        var passed = new HashSet<string>(StringComparer.Ordinal);
        var (events, characters) = (0, 0);
        for (var place = _waiting.First; place is not null && turns.Count < MostAppends;)
        {
            var turn = place.Value;
            place = place.Next;
            if ((turn.IsAlone && turns.Count > 0) || turn.Names.Any(name => _underWay.Contains(name) || passed.Contains(name)))
            {
                passed.UnionWith(turn.Names);
                continue;
            }

            events += turn.Append.Written.Events.Count;
            characters += turn.Append.Length;
            if (turns.Count > 0 && (events > MostEvents || characters > MostCharacters))
            {
                break;
            }

            _waiting.Remove(turn.Place);
            _underWay.UnionWith(turn.Names);
            turns.Add(turn);
            if (turn.IsAlone)
            {
                break;
            }
        }

        // In one order everywhere, so that no two transactions wait for each other's streams.
        turns.Sort((one, other) => string.CompareOrdinal(one.Append.StreamId, other.Append.StreamId));
        return turns;
    }

    private void End(List<Turn> turns)
    {
        lock (_lock)
        {
            turns.ForEach(turn => _underWay.ExceptWith(turn.Names));
            Begin();
        }
    }

    private void Withdraw(Turn turn, CancellationToken cancellationToken)
    {
        lock (_lock)
        {
            if (turn.Place.List is null)
            {
                return; // It has begun.
            }

            _waiting.Remove(turn.Place);
            turn.Do(_ => Task.FromCanceled<long>(cancellationToken));
            Begin();
        }
    }

    private sealed class Turn
    {
        private readonly TaskCompletionSource<Func<CancellationToken, Task<long>>> _come = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public Turn(ReadyAppend append, bool alone = false)
        {
            (Append, IsAlone) = (append, alone);
            Names = append.Owner is { } owner ? [append.StreamId, owner.Value] : [append.StreamId];
            Place = new LinkedListNode<Turn>(this);
        }

        public ReadyAppend Append { get; }

        /// <summary>It has failed together with others.</summary>
        public bool IsAlone { get; }

        /// <summary>Of what no two write to at once.</summary>
        public string[] Names { get; }

        public LinkedListNode<Turn> Place { get; }

        /// <summary>Told what to do once it is this one's turn, or once others have done it.</summary>
        public Task<Func<CancellationToken, Task<long>>> Come => _come.Task;

        public void Do(Func<CancellationToken, Task<long>> next) => _come.SetResult(next);
    }
}
