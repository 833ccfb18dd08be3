using FluentValidation;
using Guru.Application.Callers;
using Guru.Application.Voice;
using Guru.Domain.Callers;
using Guru.Domain.Calls;
using MediatR;
using Microsoft.Extensions.Options;

namespace Guru.Application.Calls;

/// <summary>The carrier's word on a call: in any order, repeated, before or after its stream.</summary>
/// <param name="Status">The carrier's word, such as in-progress or no-answer; one that we do not know is ignored.</param>
public sealed record RecordCallStatus(
    string? CallSid, string? Status, string? From, string? To, string? Direction, string? DurationSeconds, string? ErrorCode) : IRequest
{
    /// <summary>Since when it is so, where the carrier was asked later.</summary>
    public DateTimeOffset? Since { get; init; }
}

internal sealed class RecordCallStatusValidator : AbstractValidator<RecordCallStatus>
{
    public RecordCallStatusValidator() =>
        RuleFor(call => call.CallSid).Must(sid => CallSid.TryParse(sid, out _)).WithMessage("CallSid must be CA and 32 hexadecimal digits.");
}

internal sealed class RecordCallStatusHandler(
    IEventStore store, Switchboard switchboard, CallerNames callers, IOptions<CallRules> rules, TimeProvider time)
    : IRequestHandler<RecordCallStatus>
{
    public async Task<Unit> Handle(RecordCallStatus request, CancellationToken cancellationToken)
    {
        if (CallStatusWords.Parse(request.Status) is not { } status)
        {
            return Unit.Value;
        }

        var (callSid, now) = (CallSid.Parse(request.CallSid!), time.GetUtcNow());
        var direction = CallDirections.Parse(request.Direction);
        var caller = direction == CallDirection.Outbound ? request.To : request.From;
        CallerId? callerId = CallerAddress.TryParse(caller, out var address) ? callers.IdOf(address) : null;
        var change = new CallStatusChanged(
            status, callSid, callerId, direction, Number(request.DurationSeconds), Number(request.ErrorCode), request.Since < now ? request.Since.Value : now);
        var fact = new RecordStatus(change);
        try
        {
            if (!switchboard.TryRecord(callSid, fact))
            {
                await StoreAsync(callSid, fact, cancellationToken);
            }
        }
        finally
        {
            if (status.IsFinal())
            {
                switchboard.CarrierEnded(callSid); // Its socket may be half open.
            }
        }

        return Unit.Value;
    }

    /// <summary>The carrier does not say it again: what the database does not take now, it gets later.</summary>
    private async Task StoreAsync(CallSid callSid, RecordStatus fact, CancellationToken cancellationToken)
    {
        try
        {
            await Patience.LimitAsync(
                async token =>
                {
                    // Only a call that has no webhook yet takes its caller from here.
                    fact = fact.Change.CallerId is { } id ? new RecordStatus(fact.Change with { CallerId = await callers.OfAsync(id, token) }) : fact;
                    return await new CallLog(store, callSid).AppendAsync(fact, token);
                },
                rules.Value.Commit,
                time,
                cancellationToken);
        }
        catch (Exception) when (!cancellationToken.IsCancellationRequested)
        {
            _ = switchboard.RecordLater(callSid, fact);
        }
    }

    private static int? Number(string? text) => int.TryParse(text, out var number) && number >= 0 ? number : null;
}

internal static class CallStatusWords
{
    /// <returns>Null for a word that we do not know.</returns>
    public static CallStatus? Parse(string? word) => word switch
    {
        "queued" or "initiated" or "ringing" => CallStatus.Ringing,
        "in-progress" or "answered" => CallStatus.InProgress,
        "completed" => CallStatus.Completed,
        "busy" => CallStatus.Busy,
        "no-answer" => CallStatus.NoAnswer,
        "failed" => CallStatus.Failed,
        "canceled" => CallStatus.Canceled,
        _ => null,
    };
}
