using FluentValidation;
using Guru.Application.Conversations;
using Guru.Domain.Agents;
using Guru.Domain.Callers;
using MediatR;
using Microsoft.Extensions.Options;

namespace Guru.Application.VoiceSessions;

/// <summary>
/// A browser wants to talk: a secret for exactly the configuration that a phone call of this caller would get. No server attends such
/// a session, so there are no tools, and what the agent is told of the time before stands in its instructions.
/// </summary>
/// <param name="CallerId">Null for somebody of whom nothing is known.</param>
/// <param name="Agent">In place of the one that the conversation has.</param>
public sealed record OpenVoiceSession(CallerId? CallerId, string? Agent) : IRequest<OpenedVoiceSession>;

/// <param name="Language">ISO 639-1, where it is known.</param>
public sealed record OpenedVoiceSession(ClientSecret Secret, string Agent, string? Language, string Instructions)
{
    public override string ToString() => $"{nameof(OpenedVoiceSession)} {Secret}";
}

internal sealed class OpenVoiceSessionValidator : AbstractValidator<OpenVoiceSession>
{
    public OpenVoiceSessionValidator(AgentCatalog agents) => RuleFor(session => session.Agent).MustBeOneOf(agents);
}

internal sealed class OpenVoiceSessionHandler(
    CallerMemory memory, AgentCatalog agents, IOptions<VoiceSettings> voice, IBrowserSessions sessions, TimeProvider time)
    : IRequestHandler<OpenVoiceSession, OpenedVoiceSession>
{
    /// <summary>What the model's operator is told of people whom Guru does not know.</summary>
    private const string Nobody = "anonymous";

    public async Task<OpenedVoiceSession> Handle(OpenVoiceSession request, CancellationToken cancellationToken)
    {
        var known = request.CallerId is { } callerId ? await memory.OfAsync(callerId, _ => false, cancellationToken) : Remembered.Nothing;
        var configuration = voice.Value.For(agents, request.Agent ?? known.OpeningAgent(agents).Name, known.Language, time.GetUtcNow()).Unattended(known.Text);
        var secret = await sessions.IssueSecretAsync(configuration, request.CallerId?.Value ?? Nobody, cancellationToken);
        return new OpenedVoiceSession(secret, configuration.Agent, known.Language, configuration.Instructions);
    }
}

internal static class AgentRules
{
    public static IRuleBuilderOptions<T, string?> MustBeOneOf<T>(this IRuleBuilder<T, string?> rule, AgentCatalog agents) =>
        rule.Must(name => name is null || agents.Agents.Any(agent => agent.Name == name))
            .WithMessage($"agent is one of: {string.Join(", ", agents.Agents.Select(agent => agent.Name))}.");
}
