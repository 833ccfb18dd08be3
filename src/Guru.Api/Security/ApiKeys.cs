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
    public const string Operator = "operator";
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

    private static byte[] Hash(string key) => SHA256.HashData(Encoding.UTF8.GetBytes(key));
}

/// <summary>Authorization: Bearer with a configured key. Without one 401, with one of another role 403.</summary>
internal sealed class ApiKeyAuthentication(
    ApiKeys keys, IOptionsMonitor<AuthenticationSchemeOptions> options, ILoggerFactory loggers, UrlEncoder encoder)
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

        var roles = keys.RolesOf(header["Bearer ".Length..].Trim());
        if (roles.Count == 0)
        {
            return Task.FromResult(AuthenticateResult.Fail("Unknown key."));
        }

        var identity = new ClaimsIdentity(roles.Select(role => new Claim(ClaimTypes.Role, role)), SchemeName);
        return Task.FromResult(AuthenticateResult.Success(new AuthenticationTicket(new ClaimsPrincipal(identity), SchemeName)));
    }

    protected override Task HandleChallengeAsync(AuthenticationProperties properties)
    {
        Response.Headers.WWWAuthenticate = SchemeName;
        return Results.Problem(
            statusCode: StatusCodes.Status401Unauthorized, title: "A key is needed.", detail: "Send Authorization: Bearer with a key of this server.").ExecuteAsync(Context);
    }

    protected override Task HandleForbiddenAsync(AuthenticationProperties properties) =>
        Results.Problem(statusCode: StatusCodes.Status403Forbidden, title: "This key has another role.").ExecuteAsync(Context);
}
