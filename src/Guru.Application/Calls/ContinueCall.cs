using FluentValidation;
using Guru.Application.Conversations;
using Guru.Application.Voice;
using Guru.Domain;
using Guru.Domain.Calls;
using MediatR;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;

namespace Guru.Application.Calls;

/// <summary>
/// A Media Stream is over, and the carrier asks what is next: nothing for a call that Guru has ended, a sentence where the
/// caller should know why, or another stream where the first was lost. Any node can answer.
/// </summary>
/// <param name="Status">The carrier's word on the call, which may be over by now.</param>
public sealed record ContinueCall(string? CallSid, string? Status) : IRequest<CallAnswer>;

internal sealed class ContinueCallValidator : AbstractValidator<ContinueCall>
{
    public ContinueCallValidator() =>
        RuleFor(call => call.CallSid).Must(sid => CallSid.TryParse(sid, out _)).WithMessage("CallSid must be CA and 32 hexadecimal digits.");
}

internal sealed partial class ContinueCallHandler(
    IEventStore store,
    CallerMemory memory,
    Switchboard switchboard,
    ServerSecret secret,
    IOptions<CallRules> rules,
    TimeProvider time,
    ILogger<ContinueCallHandler> logger) : IRequestHandler<ContinueCall, CallAnswer>
{
    public async Task<CallAnswer> Handle(ContinueCall request, CancellationToken cancellationToken)
    {
        var callSid = CallSid.Parse(request.CallSid!);
        if (CallStatusWords.Parse(request.Status) is { } status && status.IsFinal())
        {
            return new JustHangUp(); // Nobody is on the line; the status callback tells the record.
        }

        if (switchboard.EndingOf(callSid) is { } known)
        {
            return CallEndings.AnswerAfter(known.Reason, known.Language);
        }

        var log = new CallLog(store, callSid);
        try
        {
            return await Patience.LimitAsync(token => ResumeAsync(callSid, log, token), rules.Value.Commit, time, cancellationToken);
        }
        catch (Exception error) when (!cancellationToken.IsCancellationRequested)
        {
            LogNotStored(callSid, error.GetType().Name);
            return new SayAndHangUp(FixedSentence.TechnicalProblem, log.State.Language);
        }
    }

    private async Task<CallAnswer> ResumeAsync(CallSid callSid, CallLog log, CancellationToken cancellationToken)
    {
        var events = await log.ReadAsync(cancellationToken);
        if (!log.State.Started)
        {
            return new JustHangUp();
        }

        if (log.State.Ended is { } over)
        {
            return CallEndings.AnswerAfter(over, log.State.Language);
        }

        // Before the stream is asked for: what is on record as asked for is to be answered with it.
        var known = switchboard.IsDraining ? null : await memory.OfAsync(log.State.CallerId!.Value, entry => entry.CallSid == callSid.Value, cancellationToken);
        var token = StreamToken.For(callSid, log.State.StreamsRequested + 1, secret.Value);
        var hash = StreamToken.Hash(token);
        try
        {
            await log.AppendAsync(new RequestMediaStream(hash, rules.Value.MostResumes, time.GetUtcNow()), readAgain: now => events = now, cancellationToken);
        }
        catch (RuleException)
        {
            return log.State.Ended is { } ended
                ? CallEndings.AnswerAfter(ended, log.State.Language)
                : await GiveUpAsync(log, cancellationToken);
        }

        if (known is not null && !switchboard.IsDraining)
        {
            switchboard.Expect(ExpectedCall.From(callSid, events, hash, known.Text));
        }

        LogResumed(callSid, log.State.StreamsRequested);
        return new ConnectStream(callSid, log.State.Address, token, log.State.Language, SayFirst: false);
    }

    private async Task<CallAnswer> GiveUpAsync(CallLog log, CancellationToken cancellationToken)
    {
        await log.AppendAsync(new EndCall(CallEndReason.StreamLost, time.GetUtcNow()), cancellationToken);
        return CallEndings.AnswerAfter(CallEndReason.StreamLost, log.State.Language);
    }

    [LoggerMessage(Level = LogLevel.Error, Message = "Call {CallSid}: whether it goes on could not be looked up ({Error}); the caller hears an apology")]
    private partial void LogNotStored(CallSid callSid, string error);

    [LoggerMessage(Level = LogLevel.Information, Message = "Call {CallSid}: goes on over a new stream (number {Attempt} after the first)")]
    private partial void LogResumed(CallSid callSid, int attempt);
}
