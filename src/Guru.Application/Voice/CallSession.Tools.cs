using System.Text.Json;
using Guru.Application.VoiceSessions;
using Guru.Domain.Callers;
using Guru.Domain.Calls;

namespace Guru.Application.Voice;

/// <summary>What the agent asks to be done: end the call, hand it over to another agent, speak another language, call back later.</summary>
public sealed partial class CallSession
{
    private const string TakeOver = "handOff";
    private const string AfterTool = "tool";
    private const string WentOnSpeaking = "The caller went on speaking.";
    private const string NobodyAgreed = "The caller has not answered yet: say the day and the time, and ask them first.";
    private const string Unreachable = "The other advisor cannot be reached now: say so briefly, and help the caller yourself.";

    /// <summary>Another agent is to go on with the call, once what is being said has been heard.</summary>
    /// <param name="Request">What the caller asks for.</param>
    /// <param name="ResponseId">The response in which the agent asked for it.</param>
    /// <param name="NeedsSession">
    /// The other's voice is another one, which a session that has spoken cannot take. A browser's call has one session, and keeps its voice.
    /// </param>
    /// <param name="Limit">When the other's session must be there, and when transcripts are not waited for any longer.</param>
    private sealed record HandOver(
        string To, string Reason, string Request, string ToolCallId, string ResponseId, bool NeedsSession, TimeSpan Limit);

    private void OnToolCalled(ToolCalled e)
    {
        _toolUsedBy = e.ResponseId;
        switch (e.Name)
        {
            case VoiceTools.EndCall:
                OnEndCall(e);
                break;
            case VoiceTools.HandOff:
                OnHandOff(e);
                break;
            case VoiceTools.SetLanguage:
                OnSetLanguage(e);
                break;
            case VoiceTools.CallBack:
                OnCallBack(e);
                break;
            default:
                Tell(new AnswerTool(e.ToolCallId, """{"error":"There is no such tool."}"""));
                GoOn();
                break;
        }
    }

    private void OnEndCall(ToolCalled e)
    {
        if (_open is not null || _responses.IsCut(e.ResponseId) || _handOver is not null)
        {
            Refuse(e.ToolCallId, "ended", _handOver is null ? WentOnSpeaking : "The call is being handed over.");
        }
        else if (_ending is { AwaitsGoodbye: true } awaited)
        {
            _responses.Unwant(); // The agent says it by itself.
            _ending = awaited with { ResponseId = e.ResponseId, ToolCallId = e.ToolCallId };
        }
        else
        {
            _ending ??= new Ending(CallEndReason.AgentEnded, _now + rules.Goodbye, Goodbye: null, e.ResponseId, e.ToolCallId, IsSaid: false);
        }
    }

    // --- the language ---

    private void OnSetLanguage(ToolCalled e)
    {
        if (LanguageCode.Of(VoiceTools.Argument(e.Arguments, "language")) is not { } language)
        {
            Tell(new AnswerTool(e.ToolCallId, """{"error":"language is an ISO 639-1 code of two letters."}"""));
            GoOn();
            return;
        }

        Tell(new AnswerTool(e.ToolCallId, $$"""{"language":"{{language}}"}"""));
        if (_language.Ask(language))
        {
            ChangeLanguage(language, "request");
        }

        if (OfResponse(e.ResponseId).Exists(turn => turn.HasSpeech))
        {
            _mayOwe = AfterTool;
        }
        else
        {
            GoOn();
        }
    }

    private void ChangeLanguage(string language, string evidence)
    {
        _decisions.Add(new Record(new RecordLanguage(new CallLanguageDetermined(language, evidence, At(_now)))));
        ConfigureInUse();
    }

    // --- calling back ---

    /// <summary>A call-back is an appointment by the caller's word, so that words of theirs must lie between what is proposed and what is confirmed.</summary>
    private void OnCallBack(ToolCalled e)
    {
        var action = VoiceTools.Argument(e.Arguments, "action");
        if (_open is not null || _responses.IsCut(e.ResponseId))
        {
            Refuse(e.ToolCallId, "done", WentOnSpeaking); // What is in the way goes on by itself.
        }
        else if (action == VoiceTools.Confirm && !_mayHaveAgreed)
        {
            Refuse(e.ToolCallId, "done", NobodyAgreed);
            GoOn();
        }
        else
        {
            _mayHaveAgreed &= action != VoiceTools.Propose;
            _decisions.Add(new ArrangeCallBack(e.ToolCallId, e.Arguments, _agent));
            _arranging[e.ToolCallId] = _epoch;
        }
    }

    private void OnCallBackAnswered(CallBackAnswered e)
    {
        if (!_arranging.Remove(e.ToolCallId, out var epoch) || _lineIsGone)
        {
            return;
        }

        if (_model is null)
        {
            _untold.Add(e);
        }
        else
        {
            TellOf(e, hasAsked: epoch == _epoch);
        }

        if (_open is null && _ending is null && _handOver is null && _responses.Wanted is null)
        {
            GoOn();
        }
    }

    /// <param name="hasAsked">A session that did not ask has no place for an answer.</param>
    private void TellOf(CallBackAnswered e, bool hasAsked) =>
        Tell(hasAsked ? new AnswerTool(e.ToolCallId, e.Output) : new AddSystemItem($"About the call at a later time: {e.Output}"));

    /// <summary>To a session that is new, what came while there was none.</summary>
    private void TellOfCallBacks(bool hasAsked)
    {
        _untold.ForEach(answered => TellOf(answered, hasAsked));
        _untold.Clear();
    }

    // --- handing over ---

    private void OnHandOff(ToolCalled e)
    {
        var to = VoiceTools.Argument(e.Arguments, "agent");
        var inTheWay =
            _open is not null || _responses.IsCut(e.ResponseId) ? WentOnSpeaking
            : _ending is not null ? "The call is ending."
            : _handOver is not null ? "The call is being handed over already."
            : null;
        var refusal =
            start.Agents.Agents.All(agent => agent.Name != to) ? "There is no such advisor."
            : to == _agent ? "You are this advisor yourself: go on with the call."
            : _handOffs >= rules.MostHandOffs ? "This call was handed over too often: help the caller yourself."
            : null;
        if (inTheWay is not null)
        {
            Refuse(e.ToolCallId, "handedOff", inTheWay); // What is in the way goes on by itself.
        }
        else if (refusal is not null)
        {
            Refuse(e.ToolCallId, "handedOff", refusal);
            GoOn();
        }
        else
        {
            BeginHandOver(e, to!);
        }
    }

    private void BeginHandOver(ToolCalled e, string to)
    {
        var needsSession = !start.Sideband && Configuration(to).Voice != Configuration(_agent).Voice;
        _handOver = new HandOver(
            to,
            VoiceTools.Argument(e.Arguments, "reason") ?? "",
            VoiceTools.Argument(e.Arguments, "request") ?? "what was said last",
            e.ToolCallId,
            e.ResponseId,
            needsSession,
            _now + rules.HandOff);
        if (needsSession && _dialReason is null && _dialed is null)
        {
            Dial(TakeOver);
        }

        if (_responses.Active != e.ResponseId)
        {
            OnHandingResponseDone(_handOver);
        }
    }

    /// <summary>The response in which the agent handed over is done: with the same voice, the other goes on in the same session.</summary>
    private void OnHandingResponseDone(HandOver handOver)
    {
        if (handOver.NeedsSession)
        {
            return;
        }

        var from = ChangeHands(handOver);
        ConfigureInUse();
        Tell(new AnswerTool(handOver.ToolCallId, """{"handedOff":true}"""));
        WantTakeOver(from, handOver);
    }

    /// <returns>The agent until now.</returns>
    private string ChangeHands(HandOver handOver)
    {
        var from = _agent;
        (_agent, _handOver) = (handOver.To, null);
        _handOffs++;
        _decisions.Add(new Record(new RecordHandOff(new AgentHandedOff(from, _agent, handOver.Reason, At(_now)))));
        return from;
    }

    /// <summary>The new agent has to speak first, so that nobody is passed on without a word.</summary>
    private void WantTakeOver(string from, HandOver handOver) =>
        Want(TakeOver, CallPrompts.TakeOver(from, _agent, handOver.Request, _language.Current), tools: false);

    /// <summary>Nothing comes of the hand-over: the agent who has the call is told, and goes on.</summary>
    private void KeepAgent(string because)
    {
        if (_handOver is not { } handOver)
        {
            return;
        }

        _handOver = null;
        Refuse(handOver.ToolCallId, "handedOff", because);
        GoOn();
        DropUnwanted();
    }

    private void GiveUpHandOver()
    {
        if (_handOver is { NeedsSession: true } handOver && _model is not null && _dialed is null && _now >= handOver.Limit)
        {
            KeepAgent(Unreachable);
        }
    }

    /// <summary>A session that was dialled for a hand-over of which nothing came.</summary>
    private void DropUnwanted()
    {
        if (_dialed is not null && _dialReason == TakeOver && _handOver is null && _model is not null)
        {
            (_dialed, _dialReason) = (null, null);
            _decisions.Add(new DropModel());
        }
    }

    /// <summary>After a tool the agent has to speak: it could call the next one for ever.</summary>
    private void GoOn() => Want(AfterTool, instructions: null, tools: false);

    private void Refuse(string toolCallId, string what, string because) =>
        Tell(new AnswerTool(toolCallId, $$"""{"{{what}}":false,"because":"{{JsonEncodedText.Encode(because)}}"}"""));

    private void ConfigureInUse()
    {
        if (_model is not null && !_lineIsGone)
        {
            _decisions.Add(new ConfigureModel(_agent, _language.Current, IsFresh: false));
        }
    }

    private VoiceConfiguration Configuration(string agent) => Configuration(agent, _language.Current);
}
