using System.Threading.Channels;
using Guru.Application.Voice;
using Guru.Domain.Callers;
using Guru.Domain.Calls;
using Microsoft.Extensions.Logging;

namespace Guru.Application.VoiceSessions;

/// <summary>What a browser is shown of its call while it goes on.</summary>
public abstract record CallNews;

public sealed record AgentSpeaks(string Agent) : CallNews;

/// <summary>Words of the agent, as they are made; the utterance that follows replaces them.</summary>
public sealed record WordsAdded(string Id, string Text) : CallNews;

/// <summary>A turn, as it is recorded.</summary>
public sealed record TurnEnded(string Id, Speaker Speaker, string Agent, string Said, string Heard, bool Interrupted, long StartMs) : CallNews;

public sealed record CallIsOver(CallEndReason Reason) : CallNews;

/// <summary>
/// The caller's side of a call whose audio goes between a browser and the model: whether the browser is still there, what it is shown,
/// and the hang-up. A browser that has listened to its call and goes away without a word has left it, a moment later.
/// </summary>
public sealed partial class BrowserLine(
    CallSid callSid, CallerId callerId, string agent, IBrowserSessions sessions, TimeSpan absence, TimeProvider time, ILogger logger)
    : ICallerLine, ICallWatcher
{
    private const int MostShown = 500;
    private const int MostHangUps = 3;
    private const int MostUnread = 1000;
    private static readonly TimeSpan HangUpRetry = TimeSpan.FromSeconds(1);

    private readonly Lock _gate = new();
    private readonly List<CallNews> _shown = [new AgentSpeaks(agent)];
    private readonly List<ChannelWriter<CallNews>> _listeners = [];
    private readonly Channel<LineMessage> _messages = Channel.CreateBounded<LineMessage>(1);
    private readonly TaskCompletionSource _attended = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private ITimer? _absence;
    private bool _over;
    private Task? _hangUp;

    public CallerId CallerId { get; } = callerId;

    public string StreamSid => callSid.Value;

    /// <summary>Done once a browser listens.</summary>
    public Task Attended => _attended.Task;

    public async Task ReadAsync(Receiver<LineMessage> receive, CancellationToken cancellationToken)
    {
        await foreach (var message in _messages.Reader.ReadAllAsync(cancellationToken))
        {
            if (!receive(message))
            {
                return;
            }
        }
    }

    // The audio goes elsewhere.

    public void SendMedia(ReadOnlySpan<byte> payload, bool more = false)
    {
    }

    public void SendMark(PlaybackMark mark, bool more = false)
    {
    }

    public void SendClear()
    {
    }

    /// <summary>The caller hangs up.</summary>
    public void HangUp()
    {
        _messages.Writer.TryWrite(new LineMessage(LineMessageKind.Stop));
        _messages.Writer.TryComplete();
    }

    /// <summary>Ends the call between browser and model, once.</summary>
    public Task CloseAsync(CancellationToken cancellationToken)
    {
        _messages.Writer.TryComplete();
        lock (_gate)
        {
            return _hangUp ??= HangUpAsync();
        }
    }

    public ValueTask DisposeAsync()
    {
        lock (_gate)
        {
            _over = true;
            _absence?.Dispose();
            _listeners.ForEach(listener => listener.TryComplete());
        }

        return ValueTask.CompletedTask;
    }

    /// <summary>What was and will be shown, until the call is over. While somebody listens, the browser is there.</summary>
    public async IAsyncEnumerable<CallNews> ListenAsync(
        [System.Runtime.CompilerServices.EnumeratorCancellation] CancellationToken cancellationToken)
    {
        var news = Channel.CreateBounded<CallNews>(MostUnread);
        lock (_gate)
        {
            _shown.ForEach(shown => news.Writer.TryWrite(shown));
            _listeners.Add(news.Writer);
            _absence?.Dispose();
            if (_over)
            {
                news.Writer.TryComplete();
            }
        }

        _attended.TrySetResult();
        try
        {
            await foreach (var shown in news.Reader.ReadAllAsync(cancellationToken))
            {
                yield return shown;
            }
        }
        finally
        {
            Leave(news.Writer);
        }
    }

    public void OnModelEvent(ModelEvent @event)
    {
        if (@event is AgentTranscriptDelta words)
        {
            Show(new WordsAdded(IdOf(words.ItemId), words.Text), again: false);
        }
    }

    public void OnFact(CallCommand fact)
    {
        switch (fact)
        {
            case RecordUtterance { Utterance: var said }:
                Show(new TurnEnded(said.UtteranceId, said.Speaker, said.Agent, said.Said, said.Heard, said.Interrupted, said.StartMs), again: true);
                break;
            case RecordHandOff { HandOff.To: var next }:
                Show(new AgentSpeaks(next), again: true);
                break;
            case EndCall { Reason: var reason }:
                Show(new CallIsOver(reason), again: true);
                break;
        }
    }

    private string IdOf(string itemId) => $"{callSid}:{itemId}";

    /// <param name="again">Also to who listens later.</param>
    private void Show(CallNews news, bool again)
    {
        lock (_gate)
        {
            if (again && (_shown.Count < MostShown || news is CallIsOver))
            {
                _shown.Add(news);
            }

            // A listener that does not keep up misses words, and gets them with the turn.
            _listeners.ForEach(listener => listener.TryWrite(news));
        }
    }

    private void Leave(ChannelWriter<CallNews> listener)
    {
        lock (_gate)
        {
            _listeners.Remove(listener);
            if (_listeners.Count == 0 && !_over)
            {
                _absence?.Dispose();
                _absence = time.CreateTimer(_ => OnAbsent(), state: null, absence, Timeout.InfiniteTimeSpan);
            }
        }
    }

    private void OnAbsent()
    {
        lock (_gate)
        {
            if (_listeners.Count > 0 || _over)
            {
                return; // It came back.
            }
        }

        LogAbsent(callSid);
        _messages.Writer.TryComplete();
    }

    private async Task HangUpAsync()
    {
        for (var attempt = 1; ; attempt++)
        {
            try
            {
                await sessions.HangUpAsync(callSid, CancellationToken.None);
                return;
            }
            catch (VoiceModelException error) when (attempt < MostHangUps)
            {
                LogNotHungUp(callSid, error.Code);
                await Task.Delay(HangUpRetry * attempt, time);
            }
            catch (VoiceModelException error)
            {
                LogStillOn(callSid, error.Code);
                return;
            }
        }
    }

    [LoggerMessage(Level = LogLevel.Information, Message = "Call {CallSid}: the browser is gone")]
    private partial void LogAbsent(CallSid callSid);

    [LoggerMessage(Level = LogLevel.Warning, Message = "Call {CallSid}: it could not be hung up ({Code}); once more")]
    private partial void LogNotHungUp(CallSid callSid, string code);

    [LoggerMessage(Level = LogLevel.Error, Message = "Call {CallSid}: it could not be hung up ({Code}), and ends when the browser leaves it, or at the model's own limit")]
    private partial void LogStillOn(CallSid callSid, string code);
}
