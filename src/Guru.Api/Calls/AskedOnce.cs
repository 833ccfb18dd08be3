using System.Collections.Concurrent;
using Guru.Application.Calls;

namespace Guru.Api.Calls;

/// <summary>
/// What Twilio asks again, since it did not get the answer in time, is answered as the first time by this node: a retry has the <c>I-Twilio-Idempotency-Token</c> of
/// the request that it repeats (Twilio, "Webhooks: Connection Overrides").
/// </summary>
internal sealed class AskedOnce(TimeProvider time)
{
    public const string Header = "I-Twilio-Idempotency-Token";

    private const int MostKept = 10_000;
    private const int MostCharacters = 100;

    /// <summary>Twilio gives up after 15 s, retries included.</summary>
    private static readonly TimeSpan Kept = TimeSpan.FromSeconds(30);

    private readonly ConcurrentDictionary<string, Lazy<Task<CallAnswer>>> _answers = new(StringComparer.Ordinal);

    /// <param name="token">The request's, which is in no signature; null or empty where it has none.</param>
    /// <param name="ask">Not to be cancelled with one of the requests, since another may wait for it.</param>
    public async Task<CallAnswer> AskAsync(string? callSid, string? token, Func<Task<CallAnswer>> ask)
    {
        if (string.IsNullOrEmpty(token) || token.Length > MostCharacters || callSid is not { Length: <= MostCharacters } || _answers.Count >= MostKept)
        {
            return await ask();
        }

        var key = $"{callSid} {token}";
        var mine = new Lazy<Task<CallAnswer>>(ask);
        var answer = _answers.GetOrAdd(key, mine);
        if (answer == mine)
        {
            _ = ForgetAsync(key);
        }

        try
        {
            return await answer.Value;
        }
        catch
        {
            _answers.TryRemove(KeyValuePair.Create(key, answer)); // Asked again, it may succeed.
            throw;
        }
    }

    private async Task ForgetAsync(string key)
    {
        await Task.Delay(Kept, time);
        _answers.TryRemove(key, out _);
    }
}
