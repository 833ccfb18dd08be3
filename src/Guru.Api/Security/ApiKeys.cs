using System.Security.Claims;
using System.Security.Cryptography;
using System.Text;
using System.Text.Encodings.Web;
using Microsoft.AspNetCore.Authentication;
using Microsoft.Extensions.Options;

namespace Guru.Api.Security;

/// <summary>Who may ask for what. Roles do not include one another.</summary>
internal static class Roles
{
    public const string Analyst = "analyst";
    public const string Webapp = "webapp";

    /// <summary>Who holds a user token that a webapp bought for them.</summary>
    public const string WebappUser = "webappUser";
    public const string Operator = "operator";

    /// <summary>Who has signed in to the dashboard, with a key of an analyst or an operator.</summary>
    public const string Dashboard = "dashboard";

    /// <summary>Not a role: analysts by their key, and whoever is signed in to the dashboard, may download.</summary>
    public const string Download = "download";
}

/// <summary>The bearer keys of each role. A key may stand in several lists.</summary>
internal sealed class ApiKeys
{
    private readonly (byte[] Hash, string Role)[] _keys;

    public ApiKeys(IReadOnlyList<string> analysts, IReadOnlyList<string> webapps, IReadOnlyList<string> operators) =>
        _keys =
        [
            .. analysts.Select(key => (Hash(key), Roles.Analyst)),
            .. webapps.Select(key => (Hash(key), Roles.Webapp)),
            .. operators.Select(key => (Hash(key), Roles.Operator)),
        ];

    /// <summary>The roles of a key; none for an unknown one. Takes the same time for any key.</summary>
    public IReadOnlyList<string> RolesOf(string key)
    {
        var hash = Hash(key);
        var roles = new List<string>();
        foreach (var known in _keys)
        {
            if (CryptographicOperations.FixedTimeEquals(known.Hash, hash))
            {
                roles.Add(known.Role);
            }
        }

        return roles;
    }

    /// <summary>A name by which a key can be counted, and from which it cannot be learnt.</summary>
    public static string NameOf(string key) => NameOf(Hash(key));

    /// <summary>The roles of the key that has this name.</summary>
    public IReadOnlyList<string> RolesOfNamed(string name) => [.. _keys.Where(known => NameOf(known.Hash) == name).Select(known => known.Role)];

    private static string NameOf(byte[] hash) => Convert.ToHexStringLower(hash)[..16];

    private static byte[] Hash(string key) => SHA256.HashData(Encoding.UTF8.GetBytes(key));
}

/// <summary>Authorization: Bearer with a configured key, or with a user token. Without one 401, with one of another role 403.</summary>
internal sealed class ApiKeyAuthentication(
    ApiKeys keys, UserTokens tokens, IOptionsMonitor<AuthenticationSchemeOptions> options, ILoggerFactory loggers, UrlEncoder encoder)
    : AuthenticationHandler<AuthenticationSchemeOptions>(options, loggers, encoder)
{
    public const string SchemeName = "Bearer";

    protected override Task<AuthenticateResult> HandleAuthenticateAsync()
    {
        var header = Request.Headers.Authorization.ToString();
        if (!header.StartsWith("Bearer ", StringComparison.OrdinalIgnoreCase))
        {
            return Task.FromResult(AuthenticateResult.NoResult());
        }

        var bearer = header["Bearer ".Length..].Trim();
        var claims = keys.RolesOf(bearer).Select(role => new Claim(ClaimTypes.Role, role)).ToList();
        if (claims.Count > 0)
        {
            claims.Add(new Claim(BearerClaims.Key, ApiKeys.NameOf(bearer)));
        }
        else if (tokens.Read(bearer) is { } token)
        {
            claims.AddRange(BearerClaims.Of(token));
        }
        else
        {
            return Task.FromResult(AuthenticateResult.Fail("Unknown key."));
        }

        var identity = new ClaimsIdentity(claims, SchemeName);
        return Task.FromResult(AuthenticateResult.Success(new AuthenticationTicket(new ClaimsPrincipal(identity), SchemeName)));
    }

    protected override Task HandleChallengeAsync(AuthenticationProperties properties)
    {
        Response.Headers.WWWAuthenticate = SchemeName;
        var isToken = Request.Headers.Authorization.ToString().Contains($" {UserTokens.Prefix}", StringComparison.Ordinal);
        return Results.Problem(
            statusCode: StatusCodes.Status401Unauthorized,
            title: isToken ? "This user token is not valid, or not any more." : "A key is needed.",
            detail: isToken ? "Get a new one from POST /api/voice-agent/tokens." : "Send Authorization: Bearer with a key of this server.").ExecuteAsync(Context);
    }

    protected override Task HandleForbiddenAsync(AuthenticationProperties properties) =>
        Results.Problem(statusCode: StatusCodes.Status403Forbidden, title: "This key has another role.").ExecuteAsync(Context);
}
