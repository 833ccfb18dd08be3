using FluentValidation;
using Guru.Application.Voice;
using Guru.Domain;
using Guru.Domain.Callers;
using Guru.Domain.Calls;
using MediatR;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;

namespace Guru.Application.Calls;

/// <summary>A call arrives: it is on record before it is answered, and its model is dialled while the carrier reads the answer.</summary>
/// <param name="Direction">The carrier's word: inbound, or one that begins with outbound.</param>
public sealed record AnswerCall(string? CallSid, string? From, string? To, string? Direction) : IRequest<CallAnswer>
{
    /// <summary>The person, whoever calls whom.</summary>
    public string? Caller => CallDirections.Parse(Direction) == CallDirection.Outbound ? To : From;
}

internal sealed class AnswerCallValidator : AbstractValidator<AnswerCall>
{
    public AnswerCallValidator()
    {
        RuleFor(call => call.CallSid).Must(sid => CallSid.TryParse(sid, out _)).WithMessage("CallSid must be CA and 32 hexadecimal digits.");
        RuleFor(call => call.Caller).Must(caller => CallerAddress.TryParse(caller, out _))
            .WithMessage("The caller must be whatsapp:+E164 or a business-scoped user id.");
    }
}

internal sealed partial class AnswerCallHandler(
    CallStart start, Switchboard switchboard, IOptions<CallRules> rules, TimeProvider time, ILogger<AnswerCallHandler> logger) : IRequestHandler<AnswerCall, CallAnswer>
{
    public async Task<CallAnswer> Handle(AnswerCall request, CancellationToken cancellationToken)
    {
        var callSid = CallSid.Parse(request.CallSid!);
        StartedCall call;
        using var place = switchboard.TakePlace(callSid, out var refusal);
        try
        {
            call = await Patience.LimitAsync(token => start.RecordAsync(request, refusal, token), rules.Value.Commit, time, cancellationToken);
            if (call.IsNew)
            {
                CallMeter.Started();
            }
        }
        catch (Exception error) when (error is not RuleException && !cancellationToken.IsCancellationRequested)
        {
            LogNotStored(callSid, error.GetType().Name);
            return new SayAndHangUp(FixedSentence.TryAgain, Language: null);
        }

        if (call.State.Ended is { } ended)
        {
            return CallEndings.AnswerAfter(ended, call.State.Language);
        }

        var hash = StreamToken.Hash(call.StreamToken);
        if (call.State.OpenTokens.ContainsKey(hash))
        {
            switchboard.Expect(new ExpectedCall(callSid, call.CallerId, call.State.Agent, call.State.Language, hash, Earlier: null, call.Known.Text) { Purpose = call.State.Purpose });
        }

        LogAnswered(callSid);
        return new ConnectStream(callSid, CallerAddress.Parse(request.Caller!).Value, call.StreamToken, call.State.Language, rules.Value.SayBeforeConnect) { TellsOfRecording = switchboard.Records };
    }

    [LoggerMessage(Level = LogLevel.Error, Message = "Call {CallSid}: its start could not be stored ({Error}); the caller hears an apology")]
    private partial void LogNotStored(CallSid callSid, string error);

    [LoggerMessage(Level = LogLevel.Information, Message = "Call {CallSid}: answered, the model is being dialled")]
    private partial void LogAnswered(CallSid callSid);
}

internal static class CallDirections
{
    public static CallDirection Parse(string? word) =>
        word?.StartsWith("outbound", StringComparison.Ordinal) == true ? CallDirection.Outbound : CallDirection.Inbound;
}

internal static class CallEndings
{
    /// <summary>What is left to say to a caller whose call has ended for this reason.</summary>
    public static CallAnswer AnswerAfter(CallEndReason reason, string? language) => reason switch
    {
        CallEndReason.ModelUnavailable => new SayAndHangUp(FixedSentence.ModelUnavailable, language),
        CallEndReason.AtCapacity => new SayAndHangUp(FixedSentence.AtCapacity, language),
        CallEndReason.ShuttingDown => new SayAndHangUp(FixedSentence.ShuttingDown, language),
        CallEndReason.StreamLost => new SayAndHangUp(FixedSentence.TechnicalProblem, language),
        _ => new JustHangUp(),
    };
}
