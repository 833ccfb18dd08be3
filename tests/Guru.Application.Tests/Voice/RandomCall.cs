using Guru.Application.Voice;
using Guru.Application.VoiceSessions;
using Guru.Domain.Calls;
using Shouldly;
using Record = Guru.Application.Voice.Record;

namespace Guru.Application.Tests.Voice;

/// <summary>
/// A call whose course is given by numbers, so that chance can write it and shrink it. What must hold in every call is
/// checked while it goes on and when it is over.
/// </summary>
internal sealed class RandomCall
{
    private readonly PhoneCall _call;
    private readonly bool _hostile;
    private readonly Dictionary<string, long> _sent = [];
    private readonly HashSet<string> _truncated = [];
    private readonly HashSet<string> _withWords = [];
    private readonly HashSet<string> _committed = [];
    private readonly Dictionary<string, string> _agents = [];
    private readonly Dictionary<string, double> _beganAt = [];
    private readonly List<string> _untranscribed = [];
    private readonly List<(string Item, string Response)> _items = [];
    private readonly Queue<string> _arranging = new();
    private string _session = "";
    private string _agent = "general";
    private string _dialedFor = "general";
    private string _setUpFor = "general";
    private string? _response;
    private string? _item;
    private string? _open;
    private string? _waiting;
    private int _named;
    private int _checked;
    private bool _lineIsGone;

    private RandomCall(bool hostile, int latencyMs, int traceBytes)
    {
        _hostile = hostile;
        _call = new PhoneCall(rules => (rules.SilenceSeconds, rules.AnswerSeconds, rules.MaxDurationSeconds, rules.GoodbyeSeconds) = (6, 4, 90, 8), traceBytes: traceBytes);
        _call.Carrier.LatencyMs = latencyMs;
    }

    public static PhoneCall Of(int[] script, bool hostile, int latencyMs = 0, int traceBytes = 0)
    {
        var random = new RandomCall(hostile, latencyMs, traceBytes);
        foreach (var step in script)
        {
            if (random._call.IsOver)
            {
                break;
            }

            random.Happens(step % 24, step / 24);
            random.Check();
        }

        random.End();
        return random._call;
    }

    private bool IsConnected => _session.Length > 0 && !_lineIsGone;

    private void Happens(int what, int how)
    {
        switch (what)
        {
            case 0 or 1 or 2 or 3:
                _call.Passes(how % 1500);
                break;
            case 4 when !IsConnected && _call.Count<UseModel>() <= _call.Count<DialModel>():
                if (how % 4 == 0)
                {
                    _call.Model.CannotBeReached();
                }
                else
                {
                    Connect(how);
                }

                break;
            case 4 when _call.Dialed.Count >= _call.Count<UseModel>():
                Connect(how);
                break;
            case 5 or 6 when IsConnected && _response is null:
                _response = _call.Model.Begins($"r{++_named}");
                _item = null;
                break;
            case 7 or 8 or 9 or 10 when IsConnected && _response is not null:
                if (_item is null || how % 5 == 0)
                {
                    _item = $"a{++_named}";
                    _items.Add((_item, _response));
                }

                Sends(_item, _response, 1 + (how % 16_000));
                Says(_item, _response, how);
                break;
            case 11 when IsConnected && _response is not null && _item is not null:
                _call.Model.EndsItem(_response, _item, "one two three four five");
                _withWords.Add(Key(_item));
                _item = null;
                break;
            case 12 or 13 when IsConnected && _response is not null:
                var (status, error) = (how % 8) switch
                {
                    0 => ("failed", "server_error"),
                    1 => ("failed", "rate_limit_exceeded"),
                    2 => ("cancelled", null),
                    3 => ("incomplete", null),
                    _ => ("completed", (string?)null),
                };
                _call.Model.Finishes(_response, status, error);
                _response = _item = null;
                break;
            case 14 or 15 when IsConnected && _open is null:
                _open = $"c{++_named}";
                _beganAt[Key(_open)] = _call.NowMs;
                _agents[Key(_open)] = _agent;
                _call.Caller.Begins(_open);
                if (_response is not null && how % 3 == 0)
                {
                    _call.Model.Finishes(_response, "cancelled");
                    _response = _item = null;
                }

                break;
            case 16 when IsConnected && _open is not null:
                _call.Caller.Stops(_open);
                _committed.Add(Key(_open));
                _untranscribed.Add(_open);
                _open = null;
                break;
            case 17 when IsConnected && _untranscribed.Count > 0:
                var which = _untranscribed[how % _untranscribed.Count];
                _untranscribed.Remove(which);
                _call.Caller.IsTranscribed(which, how % 7 == 0 ? "" : "some words", Pick(["en", "es", null], how));
                break;
            case 18 when IsConnected && how % 4 == 0:
                _call.Model.Closes(how % 3 == 0 ? 1001 : null);
                Disconnected();
                break;
            case 19 when IsConnected && _response is not null:
                UsesTool(_response, how);
                break;
            case 20 when _hostile && IsConnected && _items.Count > 0:
                var (item, response) = _items[how % _items.Count];
                Sends(item, response, 1 + (how % 3000));
                Says(item, response, how);
                break;
            case 21 when _hostile:
                _call.Returns(new PlaybackMark(how % 4, (how / 4 % 3000 * 16) - 8));
                break;
            case 22 when how % 5 == 0:
                _call.Happens(new DigitPressed('5'));
                break;
            case 22 when how % 3 == 0 && _arranging.TryDequeue(out var arranged):
                _call.Happens(new CallBackAnswered(arranged, "{}"));
                break;
            case 22 when how % 11 == 0:
                _call.Happens(new DrainBegan(TimeSpan.FromSeconds(20)));
                break;
            case 23 when how % 9 == 0 && IsConnected:
                _call.Model.Refuses("conversation_already_has_active_response");
                break;
            case 23 when how % 29 == 0:
                _call.Happens(how % 2 == 0 ? new LineLost() : new CallerHungUp());
                _lineIsGone = true;
                break;
        }
    }

    private void UsesTool(string response, int how)
    {
        var toolCall = $"call_{++_named}";
        if (_call.Model.UsesSome(response, toolCall, how) == VoiceTools.CallBack)
        {
            _arranging.Enqueue(toolCall);
        }
    }

    private static T Pick<T>(T[] among, int how) => among[how % among.Length];

    private string Key(string item) => $"{_session}:{item}";

    private void Connect(int how)
    {
        var before = _call.Count<UseModel>();
        var session = _call.Model.IsReady(forMs: how % 3 == 0 ? 30_000 : 3_600_000);
        if (_call.Count<UseModel>() > before)
        {
            Disconnected();
            (_session, _waiting) = (session, null);
        }
        else
        {
            _waiting = session;
        }
    }

    private void Disconnected()
    {
        _session = "";
        (_response, _item, _open) = (null, null, null);
        _untranscribed.Clear();
        _items.Clear();
    }

    private void Sends(string item, string response, int bytes)
    {
        var key = Key(item);
        _agents.TryAdd(key, _agent);
        var wasTruncated = _truncated.Contains(key);
        if (_call.Audio(item, response, bytes).Play)
        {
            wasTruncated.ShouldBeFalse("Audio of a cut item was let through.");
            _beganAt.TryAdd(key, _call.Carrier.BeginsAt(item));
            _sent[key] = _sent.GetValueOrDefault(key) + bytes;
        }
    }

    private void Says(string item, string response, int how)
    {
        if (how % 3 != 0)
        {
            _withWords.Add(Key(item));
            _call.Happens(new AgentTranscriptDelta(response, item, "some words "));
        }
    }

    /// <summary>What must hold of the decisions made since the last look.</summary>
    private void Check()
    {
        var decisions = _call.Decisions;
        for (; _checked < decisions.Count; _checked++)
        {
            switch (decisions[_checked])
            {
                case TellModel { Command: TruncateItem truncate }:
                    truncate.AudioEndMs.ShouldBeInRange(0, _sent.GetValueOrDefault(Key(truncate.ItemId)) / 8);
                    _truncated.Add(Key(truncate.ItemId)).ShouldBeTrue("An item was truncated twice.");
                    break;
                case TellModel { Command: CreateResponse { Instructions: { } instructions } }:
                    instructions.ShouldContain($"You are the {_agent} advisor.");
                    break;
                case DialModel dial:
                    _dialedFor = dial.Agent;
                    break;
                case UseModel:
                    _setUpFor = _dialedFor;
                    if (_waiting is not null)
                    {
                        Disconnected();
                        (_session, _waiting) = (_waiting, null);
                    }

                    break;
                case DropModel:
                    _waiting = null;
                    break;
                case ConfigureModel configure:
                    (configure.IsFresh || Voice(configure.Agent) == Voice(_setUpFor)).ShouldBeTrue("A session that has spoken was given another voice.");
                    _setUpFor = configure.Agent;
                    break;
                case Record { Fact: RecordHandOff { HandOff: var handOff } }:
                    handOff.From.ShouldBe(_agent);
                    handOff.To.ShouldNotBe(_agent);
                    _agent = handOff.To;
                    break;
                case Finish or Record { Fact: EndCall }:
                    _lineIsGone = true;
                    break;
            }
        }

        foreach (var unfinished in _call.Session.Unfinished(_call.Now).Cast<RecordUtterance>().Select(kept => kept.Utterance))
        {
            unfinished.HeardMs.ShouldBeInRange(0, unfinished.SaidMs);
            unfinished.EndMs.ShouldBeGreaterThanOrEqualTo(unfinished.StartMs);
            _call.Utterances.ShouldNotContain(recorded => recorded.UtteranceId == unfinished.UtteranceId, "It is on record.");
        }

        if (_call.IsOver)
        {
            _lineIsGone = true;
        }

        if (IsConnected)
        {
            _setUpFor.ShouldBe(_agent, "The session in use is not the agent's who has the call.");
        }
    }

    private void End()
    {
        if (!_call.IsOver)
        {
            _call.Caller.HangsUp();
            _call.Passes(10_000);
        }

        _call.IsRecordedOnce();
        var utterances = _call.Utterances.ToDictionary(utterance => utterance.UtteranceId);
        foreach (var key in _committed.Concat(_withWords))
        {
            utterances.ShouldContainKey(key);
        }

        foreach (var utterance in utterances.Values)
        {
            utterance.Agent.ShouldBe(_agents.GetValueOrDefault(utterance.UtteranceId, utterance.Agent));
            if (utterance.Speaker == Speaker.Agent)
            {
                utterance.HeardMs.ShouldBeLessThanOrEqualTo(_sent.GetValueOrDefault(utterance.UtteranceId) / 8);
            }
        }

        if (!_hostile)
        {
            IsInOrder(utterances.Values);
        }
    }

    private static string? Voice(string agent) => PhoneCall.Agents[agent].Voice;

    private void IsInOrder(IEnumerable<UtteranceTranscribed> utterances)
    {
        var byStart = utterances
            .Where(utterance => utterance.HeardMs > 0 && _beganAt.ContainsKey(utterance.UtteranceId))
            .OrderBy(utterance => _beganAt[utterance.UtteranceId])
            .ToList();
        foreach (var (before, after) in byStart.Zip(byStart.Skip(1)).Where(two => _beganAt[two.First.UtteranceId] < _beganAt[two.Second.UtteranceId]))
        {
            after.StartMs.ShouldBeGreaterThanOrEqualTo(before.StartMs, $"{after.UtteranceId} came after {before.UtteranceId}.");
        }
    }
}
