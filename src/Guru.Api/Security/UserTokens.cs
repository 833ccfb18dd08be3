using System.Security.Claims;
using System.Security.Cryptography;
using System.Text.Json;
using Microsoft.AspNetCore.DataProtection;

namespace Guru.Api.Security;

/// <summary>What a user token says: who may ask, until it expires, for sessions and calls of their own.</summary>
/// <param name="Address">The caller's, where it is known; the token is encrypted.</param>
/// <param name="Agent">The one agent that may be asked for; null: any.</param>
/// <param name="Key">A name for the key that bought it, for its limits.</param>
internal sealed record UserToken(string CallerId, string? Address, string? Agent, string Key)
{
    public override string ToString() => $"{nameof(UserToken)} of {CallerId}";
}

/// <summary>
/// Short-lived tokens that a webapp's backend buys with its key, so that the key never comes into a browser: protected by ASP.NET Core
/// Data Protection, under a key that all nodes derive.
/// </summary>
internal sealed class UserTokens(IDataProtectionProvider protection, TimeProvider time)
{
    /// <summary>Tells a token from a key at a glance, for people and for scanners of leaked secrets.</summary>
    public const string Prefix = "gut_";

    private readonly ITimeLimitedDataProtector _protector = protection.CreateProtector("Guru.UserToken").ToTimeLimitedDataProtector();

    public (string Token, DateTimeOffset ExpiresAt) Issue(UserToken token, TimeSpan life)
    {
        var expiresAt = time.GetUtcNow() + life;
        return (Prefix + _protector.Protect(JsonSerializer.Serialize(token), expiresAt), expiresAt);
    }

    /// <summary>Null for one that is not ours, was changed, or has expired.</summary>
    public UserToken? Read(string bearer)
    {
        try
        {
            return bearer.StartsWith(Prefix, StringComparison.Ordinal)
                ? JsonSerializer.Deserialize<UserToken>(_protector.Unprotect(bearer[Prefix.Length..]))
                : null;
        }
        catch (Exception e) when (e is CryptographicException or JsonException)
        {
            return null;
        }
    }
}

/// <summary>What a bearer's identity tells besides its roles.</summary>
internal static class BearerClaims
{
    public const string Key = "guru:key";
    public const string Caller = "guru:caller";
    public const string Address = "guru:address";
    public const string Agent = "guru:agent";

    public static IEnumerable<Claim> Of(UserToken token)
    {
        yield return new Claim(ClaimTypes.Role, Roles.WebappUser);
        yield return new Claim(Key, token.Key);
        yield return new Claim(Caller, token.CallerId);
        yield return new Claim(Address, token.Address ?? "");
        if (token.Agent is { } agent)
        {
            yield return new Claim(Agent, agent);
        }
    }

    /// <summary>A name for the key that was used, or that bought the token.</summary>
    public static string KeyOf(this ClaimsPrincipal user) => user.FindFirstValue(Key) ?? "";
}
