using System.Security.Cryptography;
using System.Text;
using FluentValidation;
using Guru.Application.Callers;
using Guru.Application.Conversations;
using Guru.Domain;
using Guru.Domain.Callers;

namespace Guru.Application.Calling;

/// <summary>A request that is about a person, named by number or by id, and that may carry an Idempotency-Key.</summary>
internal interface IAboutPerson
{
    string? PhoneNumber { get; }

    string? CallerId { get; }

    string? IdempotencyKey { get; }
}

internal static class PersonRules
{
    private const int MostKeyCharacters = 255;

    public static void Person<T>(this AbstractValidator<T> validator)
        where T : IAboutPerson
    {
        validator.RuleFor(request => request.PhoneNumber).Must(number => number is null || CallerAddress.TryParse(number, out _))
            .WithMessage("phoneNumber is a number in E.164 form or a business-scoped user id.");
        validator.RuleFor(request => request.CallerId).Must(id => id is null || Domain.Callers.CallerId.TryParse(id, out _)).WithMessage("callerId is not one.");
        validator.RuleFor(request => request).Must(request => request.PhoneNumber is null != request.CallerId is null)
            .WithName("phoneNumber").WithMessage("Give phoneNumber or callerId, and not both.");
        validator.RuleFor(request => request.IdempotencyKey)
            .Must(key => key is null || (key.Length is > 0 and <= MostKeyCharacters && key.All(letter => letter is > ' ' and <= '~')))
            .WithName("Idempotency-Key").WithMessage($"Idempotency-Key is up to {MostKeyCharacters} printable characters.");
    }
}

/// <summary>Finds out whom a request is about, and whether it was made before.</summary>
internal sealed class Callees(IEventStore store, IRequestKeys keys, CallerNames callers, ServerSecret secret)
{
    /// <exception cref="UnknownPersonException">An id that nobody has, or whose number is not known.</exception>
    public async Task<(ConversationLog Log, CallerId CallerId, string Address)> FindAsync(IAboutPerson request, CancellationToken cancellationToken)
    {
        var given = request.PhoneNumber is { } number ? CallerAddress.Parse(number) : (CallerAddress?)null;
        var callerId = await callers.OfAsync(given is { } address ? callers.IdOf(address) : CallerId.Parse(request.CallerId!), cancellationToken);
        var log = new ConversationLog(store, callerId);
        await log.ReadAsync(cancellationToken);
        return log.State.Address.Length > 0 || given is not null || log.State.Consent.Erased
            ? (log, callerId, given?.Value ?? log.State.Address)
            : throw new UnknownPersonException();
    }

    /// <summary>The request's id: that of the first with the same Idempotency-Key, or a new one.</summary>
    /// <param name="what">Keys of different kinds of request do not meet.</param>
    /// <param name="content">Everything that is asked for.</param>
    /// <exception cref="KeyReusedException">The key stands for another request.</exception>
    public async Task<string> RequestIdAsync(IAboutPerson request, CallerId callerId, string what, string content, CancellationToken cancellationToken)
    {
        var requestId = Guid.NewGuid().ToString("N");
        return request.IdempotencyKey is not { } key ? requestId
            : await keys.BindAsync(callerId, Hash($"key:{what}:{key}"), Hash($"content:{what}:{content}"), requestId, cancellationToken) ?? throw new KeyReusedException();
    }

    private string Hash(string text) => Convert.ToHexStringLower(HMACSHA256.HashData(secret.Value, Encoding.UTF8.GetBytes(text)));
}

/// <summary>Nobody with that id is known, or they are known without a number.</summary>
public sealed class UnknownPersonException() : Exception("Guru does not know a number for this callerId.");

public sealed class KeyReusedException() : RuleException("This Idempotency-Key stands for another request: use a new one.");
