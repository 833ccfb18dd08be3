using System.Collections.Concurrent;
using System.Runtime.CompilerServices;
using System.Text;
using System.Threading.Channels;
using Guru.Application.Callers;
using Guru.Application.Calling;
using Guru.Application.Calls;
using Guru.Application.Privacy;
using Guru.Application.Voice;
using Guru.Application.VoiceSessions;
using Guru.Domain;
using Guru.Domain.Callers;
using Guru.Domain.Calls;

namespace Guru.Application.Tests.Voice;

internal static class ScriptedMessages
{
    public static async Task ReadAsync<TMessage>(this ChannelReader<TMessage> messages, Receiver<TMessage> receive, CancellationToken cancellationToken)
    {
        await foreach (var message in messages.ReadAllAsync(cancellationToken))
        {
            if (!receive(message))
            {
                return;
            }
        }
    }
}

/// <summary>A Media Stream whose carrier is the test.</summary>
internal sealed class ScriptedLine(string streamSid = "MZ0") : ICallerLine
{
    private readonly Channel<LineMessage> _messages = Channel.CreateUnbounded<LineMessage>();

    public string StreamSid { get; } = streamSid;

    /// <summary>What was sent to the carrier: payloads, "mark" and "clear".</summary>
    public ConcurrentQueue<string> Sent { get; } = new();

    public bool IsClosed { get; private set; }

    public bool IsDisposed { get; private set; }

    /// <summary>Done while the line is closed.</summary>
    public Action WhileClosing { get; set; } = () => { };

    public void Frame(string payload, long timestampMs) => Comes(new LineMessage(LineMessageKind.Media, Encoding.ASCII.GetBytes(payload), 160, timestampMs));

    public void Comes(LineMessage message) => _messages.Writer.TryWrite(message);

    public void Stops()
    {
        Comes(new LineMessage(LineMessageKind.Stop));
        _messages.Writer.TryComplete();
    }

    public void Breaks() => _messages.Writer.TryComplete();

    public Task ReadAsync(Receiver<LineMessage> receive, CancellationToken cancellationToken) => _messages.Reader.ReadAsync(receive, cancellationToken);

    public void SendMedia(ReadOnlySpan<byte> payload, bool more = false) => Sent.Enqueue(Encoding.ASCII.GetString(payload));

    public void SendMark(PlaybackMark mark, bool more = false) => Sent.Enqueue("mark");

    public void SendClear() => Sent.Enqueue("clear");

    public Task CloseAsync(CancellationToken cancellationToken)
    {
        IsClosed = true;
        WhileClosing();
        Breaks();
        return Task.CompletedTask;
    }

    public ValueTask DisposeAsync()
    {
        IsDisposed = true;
        Breaks();
        return ValueTask.CompletedTask;
    }
}

/// <summary>A model session that says what the test says.</summary>
internal sealed class ScriptedModel(VoiceConfiguration configuration, string sessionId, DateTimeOffset expiresAt) : IVoiceModel
{
    private readonly Channel<ModelMessage> _messages = Channel.CreateUnbounded<ModelMessage>();

    /// <summary>What it was dialled with.</summary>
    public VoiceConfiguration Configuration { get; } = configuration;

    public string SessionId { get; } = sessionId;

    public DateTimeOffset ExpiresAt { get; } = expiresAt;

    /// <summary>What it was told, in order: commands and payloads.</summary>
    public ConcurrentQueue<object> Told { get; } = new();

    public IEnumerable<string> Audio => Told.OfType<string>();

    public bool IsDisposed { get; private set; }

    public void Says(ModelEvent @event) => _messages.Writer.TryWrite(new ModelMessage(@event, default));

    public void Speaks(string response, string item, string payload, int bytes) => _messages.Writer.TryWrite(new ModelMessage(
        null, new ModelAudio(Encoding.ASCII.GetBytes(response), Encoding.ASCII.GetBytes(item), 0, Encoding.ASCII.GetBytes(payload), bytes)));

    public void Closes(int? code = null)
    {
        Says(new ModelClosed(code, Reason: null));
        _messages.Writer.TryComplete();
    }

    public Task ReadAsync(Receiver<ModelMessage> receive, CancellationToken cancellationToken) => _messages.Reader.ReadAsync(receive, cancellationToken);

    public void AppendAudio(ReadOnlySpan<byte> payload) => Told.Enqueue(Encoding.ASCII.GetString(payload));

    /// <summary>What every command meets while it is set.</summary>
    public Exception? Fails { get; set; }

    public void Send(ModelCommand command)
    {
        Told.Enqueue(command);
        if (Fails is { } error)
        {
            throw error;
        }
    }

    public ValueTask DisposeAsync()
    {
        IsDisposed = true;
        return ValueTask.CompletedTask;
    }
}

internal sealed class ScriptedDialer(TimeProvider time) : IVoiceModelDialer
{
    private readonly ConcurrentQueue<ScriptedModel> _models = new();
    private int _dials;

    /// <summary>How many have begun. A test lets time pass behind it, or the clock may run ahead of a thread that has not come to dial yet.</summary>
    public int Dials => _dials;

    public IReadOnlyList<ScriptedModel> Models => [.. _models];

    /// <summary>Dials wait for it.</summary>
    public TaskCompletionSource? Holds { get; set; }

    /// <summary>What every dial meets while it is set.</summary>
    public Exception? Fails { get; set; }

    public async Task<IVoiceModel> DialAsync(VoiceConfiguration configuration, string safetyIdentifier, CancellationToken cancellationToken)
    {
        Interlocked.Increment(ref _dials);
        if (Holds is { } held)
        {
            await held.Task.WaitAsync(cancellationToken);
        }

        if (Fails is { } error)
        {
            throw error;
        }

        var model = new ScriptedModel(configuration, $"sess_{_models.Count + 1}", time.GetUtcNow() + TimeSpan.FromHours(1));
        _models.Enqueue(model);
        return model;
    }
}

/// <summary>Browsers' sessions with the model, as the test says.</summary>
internal sealed class ScriptedBrowsers : IBrowserSessions
{
    /// <summary>Calls that were hung up.</summary>
    public ConcurrentQueue<CallSid> HungUp { get; } = new();

    /// <summary>How often hanging up fails.</summary>
    public int Fails { get; set; }

    public ScriptedModel Model { get; } = new(new VoiceSettings().For(House.Agents, agentName: null, language: null, ManualTime.Start), "rtc_1", DateTimeOffset.MaxValue);

    public Task<ClientSecret> IssueSecretAsync(VoiceConfiguration configuration, string safetyIdentifier, CancellationToken cancellationToken) =>
        throw new NotSupportedException();

    public Task<AnsweredOffer> CallAsync(VoiceConfiguration configuration, string offer, string safetyIdentifier, CancellationToken cancellationToken) =>
        Task.FromResult(new AnsweredOffer(CallSid.Parse("rtc_1"), "v=0"));

    public Task<IVoiceModel> AttendAsync(CallSid callSid, CancellationToken cancellationToken) => Task.FromResult<IVoiceModel>(Model);

    public Task HangUpAsync(CallSid callSid, CancellationToken cancellationToken)
    {
        HungUp.Enqueue(callSid);
        return Fails-- > 0 ? throw new VoiceModelException("503", transient: true) : Task.CompletedTask;
    }
}

/// <summary>The templates that the test has made.</summary>
internal sealed class MemoryTemplates : ITemplates
{
    private readonly List<Template> _made = [];

    public Task<Template?> FindAsync(TemplateKind kind, string? language, CancellationToken cancellationToken) =>
        Task.FromResult(_made.Find(template => template.Kind == kind && template.Language == language) ?? _made.Find(template => template.Kind == kind));

    public Task SaveAsync(Template template, CancellationToken cancellationToken)
    {
        _made.Add(template);
        return Task.CompletedTask;
    }
}

/// <summary>Which ids are one person's, as the test says.</summary>
internal sealed class MemoryAliases : ICallerAliases
{
    public Dictionary<CallerId, CallerId> Owners { get; } = [];

    /// <summary>Those of whom something is on record.</summary>
    public HashSet<CallerId> Known { get; } = [];

    public Task<CallerId> OwnerOfAsync(CallerId id, CancellationToken cancellationToken) => Task.FromResult(Owners.GetValueOrDefault(id, id));

    public Task<(CallerTies One, CallerTies Other)> TiesOfAsync(CallerId one, CallerId other, CancellationToken cancellationToken) => Task.FromResult((TiesOf(one), TiesOf(other)));

    public Task<IReadOnlyList<CallerId>> AliasesOfAsync(CallerId owner, CancellationToken cancellationToken) =>
        Task.FromResult<IReadOnlyList<CallerId>>([.. Owners.Where(pair => pair.Value == owner).Select(pair => pair.Key)]);

    private CallerTies TiesOf(CallerId id) => new(id, Owners.TryGetValue(id, out var owner) ? owner : null, Owners.ContainsValue(id), Known.Contains(id));
}

/// <summary>Events in memory, with the store's rules about versions. It can be away for a while, or never answer.</summary>
internal sealed class MemoryStore : IEventStore
{
    private readonly Lock _gate = new();
    private readonly List<StoredEvent> _events = [];

    /// <summary>Nothing is stored or read.</summary>
    public bool IsDown { get; set; }

    /// <summary>What is asked for is not answered until the asker gives up.</summary>
    public bool IsStuck { get; set; }

    /// <summary>What is stuck takes until then to be cancelled.</summary>
    public ManualResetEventSlim Cancelling { get; } = new(initialState: true);

    /// <summary>What it will never take.</summary>
    public Func<object, bool> Refuses { get; set; } = _ => false;

    /// <summary>What is appended is stored, but the answer is lost; that often.</summary>
    public int LosesAnswers { get; set; }

    /// <summary>What an append waits for, whoever does not wait for it any more.</summary>
    public Task Holds { get; set; } = Task.CompletedTask;

    public int Attempts { get; private set; }

    public IReadOnlyList<T> Of<T>()
    {
        lock (_gate)
        {
            return [.. _events.Select(stored => stored.Data).OfType<T>()];
        }
    }

    public async Task<long> AppendAsync(
        string streamId, ExpectedVersion expected, CallerId? owner, IReadOnlyList<object> events, CancellationToken cancellationToken)
    {
        await AnswersAsync(cancellationToken);
        await Holds;
        if (events.Any(Refuses))
        {
            throw new EventsRefusedException(streamId, "22003");
        }

        lock (_gate)
        {
            var version = _events.Count(stored => stored.StreamId == streamId);
            if (expected != ExpectedVersion.Any && expected.Value != version)
            {
                throw new VersionConflictException(streamId);
            }

            foreach (var data in events)
            {
                _events.Add(new StoredEvent(_events.Count + 1, streamId, ++version, ManualTime.Start, data));
            }

            return LosesAnswers-- > 0 ? throw new IOException("The answer was lost.") : version;
        }
    }

    public async Task<IReadOnlyList<StoredEvent>> ReadAsync(string streamId, long fromVersion, CancellationToken cancellationToken)
    {
        await AnswersAsync(cancellationToken);
        lock (_gate)
        {
            return [.. _events.Where(stored => stored.StreamId == streamId && stored.Version >= fromVersion)];
        }
    }

    public async IAsyncEnumerable<StoredEvent> ReadAllAsync(long afterSequence, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        await AnswersAsync(cancellationToken);
        foreach (var stored in _events.Where(stored => stored.Sequence > afterSequence).ToList())
        {
            yield return stored;
        }
    }

    private async Task AnswersAsync(CancellationToken cancellationToken)
    {
        Attempts++;
        if (IsStuck)
        {
            cancellationToken.Register(Cancelling.Wait);
            await Task.Delay(Timeout.Infinite, cancellationToken);
        }

        if (IsDown)
        {
            throw new IOException("The database is away.");
        }
    }
}

/// <summary>Remembers what it was asked to prepare.</summary>
internal sealed class ScriptedKeys : IPersonalKeys
{
    /// <summary>What the answer waits for.</summary>
    public Task Waits { get; set; } = Task.CompletedTask;

    public TaskCompletionSource<(CallerId Caller, IReadOnlyCollection<PersonalDataKind> Kinds)> Asked { get; } = new();

    public Task PrepareAsync(CallerId callerId, DateTimeOffset at, IReadOnlyCollection<PersonalDataKind> kinds, CancellationToken cancellationToken)
    {
        Asked.TrySetResult((callerId, kinds));
        return Waits.WaitAsync(cancellationToken);
    }
}

/// <summary>A journal in memory, which outlives the house it was kept in.</summary>
internal sealed class MemoryJournal : ICallJournal
{
    private readonly Lock _gate = new();
    private readonly List<Kept> _kept = [];
    private readonly Dictionary<CallSid, IReadOnlyList<CallCommand>> _unfinished = [];
    private int _setAside;
    private int _looks;

    public int SetAside => _setAside;

    /// <summary>What it would be left with if the process died now.</summary>
    public IReadOnlyList<CallCommand> Facts
    {
        get
        {
            lock (_gate)
            {
                return [.. _kept.Select(kept => kept.Fact)];
            }
        }
    }

    public IReadOnlyList<CallCommand> Unfinished
    {
        get
        {
            lock (_gate)
            {
                return [.. _unfinished.Values.SelectMany(facts => facts)];
            }
        }
    }

    /// <summary>What every fact meets while it is set.</summary>
    public Exception? Fails { get; set; }

    public IKeptFact Keep(CallSid callSid, CallCommand fact)
    {
        if (Fails is { } error)
        {
            throw error;
        }

        var kept = new Kept(this, callSid, fact);
        lock (_gate)
        {
            _kept.Add(kept);
        }

        return kept;
    }

    public void KeepUnfinished(CallSid callSid, IReadOnlyList<CallCommand> facts)
    {
        lock (_gate)
        {
            _unfinished[callSid] = facts;
        }
    }

    /// <summary>What the next look for it finds.</summary>
    public IReadOnlyList<ILeftJournal> Left { get; set; } = [];

    public int Looks => Volatile.Read(ref _looks);

    public IReadOnlyList<ILeftJournal> TakeOver()
    {
        Interlocked.Increment(ref _looks);
        return Left;
    }

    private sealed class Kept(MemoryJournal journal, CallSid callSid, CallCommand fact) : IKeptFact
    {
        public CallSid CallSid => callSid;

        public CallCommand Fact => fact;

        public void Stored()
        {
            lock (journal._gate)
            {
                journal._kept.Remove(this);
            }
        }

        public void SetAside() => Interlocked.Increment(ref journal._setAside);
    }
}
