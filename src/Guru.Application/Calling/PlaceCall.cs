using FluentValidation;
using Guru.Domain.Agents;
using Guru.Domain.Calls;
using Guru.Domain.Conversations;
using MediatR;

namespace Guru.Application.Calling;

/// <summary>Wants a person called. The call is placed by itself, if the rules still allow it then.</summary>
/// <param name="Agent">Null: whom the conversation has.</param>
/// <param name="Reason">Why; the agent says it first.</param>
public sealed record PlaceCall(
    string? PhoneNumber, string? CallerId, string? Agent, string? Reason, DateTimeOffset? Earliest, DateTimeOffset? Latest, string? IdempotencyKey)
    : IRequest<CallPlan>, IAboutPerson
{
    public override string ToString() => $"{nameof(PlaceCall)} {CallerId}";
}

/// <summary>A call of ours as it stands.</summary>
/// <param name="Status">requested, allowed, placed, refused, or how it ended: completed, busy, noAnswer, failed, canceled.</param>
/// <param name="AllowedBy">The grant: the SID of the answer, or of the person's call.</param>
public sealed record CallPlan(string RequestId, string CallerId, string Status, string? CallSid, string? AllowedBy);

internal sealed class PlaceCallValidator : AbstractValidator<PlaceCall>
{
    private const int MostCharacters = 500;

    public PlaceCallValidator(AgentCatalog agents, CallingTerms terms, TimeProvider time)
    {
        this.Person();
        RuleFor(request => request.Reason).Must(reason => !string.IsNullOrWhiteSpace(reason) && reason.Length <= MostCharacters)
            .WithMessage($"reason says in up to {MostCharacters} characters why the person is called; they hear it first.");
        RuleFor(request => request.Agent).Must(name => name is null || agents.Agents.Any(agent => agent.Name == name))
            .WithMessage($"agent is one of {string.Join(", ", agents.Agents.Select(agent => agent.Name))}.");
        RuleFor(request => request.Latest).Must((request, latest) => latest is null || (latest > time.GetUtcNow() && !(latest < request.Earliest)))
            .WithMessage("latest is in the future, and not before earliest.");
        RuleFor(request => request).Must(request => !(request.Earliest > time.GetUtcNow() + terms.Settings.MostAhead) && !(request.Latest > time.GetUtcNow() + terms.Settings.MostAhead))
            .WithName("earliest").WithMessage($"A call can be asked for up to {terms.Settings.MostDaysAhead} days ahead.");
    }
}

internal sealed class PlaceCallHandler(Callees callees, CallingTerms terms, TimeProvider time) : IRequestHandler<PlaceCall, CallPlan>
{
    /// <exception cref="CallRefusedException">The rules do not allow it; that is on record.</exception>
    public async Task<CallPlan> Handle(PlaceCall request, CancellationToken cancellationToken)
    {
        var (log, callerId, address) = await callees.FindAsync(request, cancellationToken);
        var requestId = await callees.RequestIdAsync(
            request, callerId, "call", $"{callerId}\n{request.Agent}\n{request.Reason}\n{request.Earliest:O}\n{request.Latest:O}", cancellationToken);
        var now = time.GetUtcNow();
        var latest = request.Latest ?? (request.Earliest > now ? request.Earliest.Value : now) + terms.Settings.Patience;
        var wanted = new OutboundCallRequested(requestId, callerId, address, request.Agent, request.Reason!.Trim(), request.Earliest, latest, now);
        await log.AppendAsync(new RequestOutboundCall(wanted, terms.Sender, terms.Rules), cancellationToken);
        var call = log.State.Consent.Calls[requestId];
        return call.Refused is { } reasons ? throw new CallRefusedException(reasons, call.PossibleFrom) : Plan(call);
    }

    private static CallPlan Plan(OutboundCall call)
    {
        var status = call switch
        {
            { Outcome: { } outcome } => Word(outcome),
            { CallSid: not null } => "placed",
            { AllowedBy: not null } => "allowed",
            _ => "requested",
        };
        return new CallPlan(call.RequestId, call.CallerId.Value, status, call.CallSid?.Value, call.AllowedBy);
    }

    private static string Word(CallStatus outcome) => $"{char.ToLowerInvariant(outcome.ToString()[0])}{outcome.ToString()[1..]}";
}
