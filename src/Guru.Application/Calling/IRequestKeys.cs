using Guru.Domain.Callers;

namespace Guru.Application.Calling;

/// <summary>Which request an Idempotency-Key stands for, for ever and on every node.</summary>
public interface IRequestKeys
{
    /// <summary>Binds a key to a request, unless it is bound already.</summary>
    /// <param name="callerId">Whom the request is about: with them it is forgotten.</param>
    /// <param name="key">A hash of it: what a client makes a key of is nobody's business.</param>
    /// <param name="content">A hash of what is asked for.</param>
    /// <param name="requestId">For a key that is new.</param>
    /// <returns>The request that the key stands for; null where that asked for something else.</returns>
    Task<string?> BindAsync(CallerId callerId, string key, string content, string requestId, CancellationToken cancellationToken);
}
