using System.Text.Json;
using System.Text.RegularExpressions;
using FluentValidation;
using Guru.Domain.Conversations;
using MediatR;

namespace Guru.Application.Calling;

/// <summary>Asks a person whether they may be called. The message goes out by itself, once it is on record that they are asked.</summary>
/// <param name="ContentSid">The template; null for the one that <c>guru templates create</c> made.</param>
/// <param name="Variables">Of the template, by their numbers.</param>
public sealed record AskPermission(
    string? PhoneNumber, string? CallerId, string? ContentSid, IReadOnlyDictionary<string, string>? Variables, string? IdempotencyKey)
    : IRequest<PermissionAsked>, IAboutPerson
{
    public override string ToString() => $"{nameof(AskPermission)} {CallerId}";
}

/// <param name="Status">requested, sent, failed or answered.</param>
public sealed record PermissionAsked(string RequestId, string CallerId, string Status, string? MessageSid);

internal sealed partial class AskPermissionValidator : AbstractValidator<AskPermission>
{
    private const int MostVariables = 50;
    private const int MostCharacters = 1024;

    public AskPermissionValidator()
    {
        this.Person();
        RuleFor(request => request.ContentSid).Must(sid => sid is null || Sid().IsMatch(sid)).WithMessage("contentSid must be HX and 32 hexadecimal digits.");
        RuleFor(request => request.Variables).Must(variables => variables is null
                || (variables.Count <= MostVariables && variables.All(variable => variable.Key.Length is > 0 and <= 50 && variable.Value is { Length: <= MostCharacters })))
            .WithMessage($"variables are up to {MostVariables} texts of up to {MostCharacters} characters, by name.");
    }

    [GeneratedRegex("^HX[0-9a-fA-F]{32}$", RegexOptions.None, matchTimeoutMilliseconds: 1000)]
    private static partial Regex Sid();
}

internal sealed class AskPermissionHandler(Callees callees, ITemplates templates, CallingTerms terms, TimeProvider time) : IRequestHandler<AskPermission, PermissionAsked>
{
    public async Task<PermissionAsked> Handle(AskPermission request, CancellationToken cancellationToken)
    {
        var (log, callerId, address) = await callees.FindAsync(request, cancellationToken);
        var contentSid = request.ContentSid ?? (await templates.FindAsync(TemplateKind.PermissionRequest, log.State.Language, cancellationToken))?.ContentSid
            ?? throw new ValidationException([new("contentSid", "There is no template yet: run guru templates create, or give contentSid.")]);
        var variables = request.Variables is { Count: > 0 } given ? JsonSerializer.Serialize(new SortedDictionary<string, string>(given.ToDictionary(), StringComparer.Ordinal)) : null;
        var requestId = await callees.RequestIdAsync(request, callerId, "permission", $"{callerId}\n{request.ContentSid}\n{variables}", cancellationToken);
        var asked = new CallPermissionRequested(requestId, callerId, address, contentSid, variables, time.GetUtcNow());
        await log.AppendAsync(new RequestPermission(asked, terms.Sender, terms.Rules), cancellationToken);
        return Told(log.State.Consent, requestId, callerId.Value);
    }

    private static PermissionAsked Told(CallConsent consent, string requestId, string callerId)
    {
        var request = consent.Requests.Find(request => request.RequestId == requestId)!;
        var status = request switch
        {
            { Failed: true } => "failed",
            { Answered: true } => "answered",
            { MessageSid: not null } => "sent",
            _ => "requested",
        };
        return new PermissionAsked(requestId, callerId, status, request.MessageSid);
    }
}
