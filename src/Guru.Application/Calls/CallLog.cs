using Guru.Application.Voice;
using Guru.Domain.Calls;

namespace Guru.Application.Calls;

/// <summary>One call's stream.</summary>
/// <param name="isNew">As of a call that nobody has told of yet.</param>
public sealed class CallLog(IEventStore store, CallSid callSid, bool isNew = false)
    : DecidedStream<Call, CallCommand, CallEvent>(store, Rules, Call.StreamId(callSid), call => call.CallerId, isNew)
{
    private static readonly Decider<Call, CallCommand, CallEvent> Rules = new(Call.NotStarted, Call.Apply, Call.Decide);

    protected override void OnAppended(CallEvent @event) => CallMeter.Count(@event);
}
