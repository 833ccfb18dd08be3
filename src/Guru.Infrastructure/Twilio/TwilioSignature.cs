using System.Diagnostics.CodeAnalysis;
using System.Security.Cryptography;
using System.Text;

namespace Guru.Infrastructure.Twilio;

/// <summary>
/// Says whether a request was signed by Twilio (X-Twilio-Signature). Twilio signs the address it called, so that is rebuilt from
/// the public base URL and the raw path and query; nothing is decoded or encoded again.
/// </summary>
public sealed class TwilioSignature
{
    public const string Header = "X-Twilio-Signature";

    private const string BodyHashName = "bodySHA256";

    private readonly byte[][] _keys;
    private readonly string[] _bases;
    private readonly string[] _upgradeBases;

    /// <param name="authTokens">Each may sign, so that a token can be rotated without a gap.</param>
    /// <param name="baseUrl">The public address: scheme, host and, where there is one, port.</param>
    public TwilioSignature(IEnumerable<string> authTokens, string baseUrl)
    {
        _keys = [.. authTokens.Select(Encoding.UTF8.GetBytes)];
        var address = baseUrl.TrimEnd('/');
        var end = address.IndexOf("://", StringComparison.Ordinal);
        if (end <= 0 || end + 3 == address.Length)
        {
            throw new ArgumentException("Not an absolute address.", nameof(baseUrl));
        }

        var scheme = address[..end];
        var authority = address[(end + 3)..];
        var secure = string.Equals(scheme, "https", StringComparison.OrdinalIgnoreCase);
        _bases = Variants(scheme, authority);

        // The address of a media stream is wss:// as written in the TwiML. Stand-ins on plain http sign what they can reach.
        string[] schemes = secure ? ["wss"] : ["wss", "ws", "https", "http"];
        _upgradeBases = [.. schemes.SelectMany(s => Variants(s, authority)).Distinct(StringComparer.Ordinal)];
    }

    /// <summary>For a form POST, and for a GET, which has no form.</summary>
    /// <param name="path">As it came over the wire.</param>
    /// <param name="query">As it came over the wire, with its question mark; null or empty without one.</param>
    /// <param name="form">Decoded; names may repeat.</param>
    public bool Signs(string? signature, string path, string? query, IEnumerable<KeyValuePair<string, string>> form)
    {
        var fields = Fields(form);
        return Matches(signature, _bases.Select(b => b + path + query + fields));
    }

    /// <summary>What Twilio would sign such a form with.</summary>
    public string Sign(string path, IEnumerable<KeyValuePair<string, string>> form) => Signature(_keys[0], _bases[0] + path + Fields(form));

    /// <summary>For a body that is not a form: the address carries its hash, and is signed.</summary>
    public bool SignsBody(string? signature, string path, string? query, ReadOnlySpan<byte> body)
    {
        var claimed = Encoding.ASCII.GetBytes(BodyHash(query) ?? "");
        var actual = Encoding.ASCII.GetBytes(Convert.ToHexStringLower(SHA256.HashData(body)));
        return CryptographicOperations.FixedTimeEquals(claimed, actual) && Signs(signature, path, query, []);
    }

    /// <summary>For the upgrade to a WebSocket, with or without the trailing slash that Twilio may add.</summary>
    public bool SignsUpgrade(string? signature, string path, string? query)
    {
        var trimmed = path.TrimEnd('/');
        return Matches(signature, _upgradeBases.SelectMany(b => new[] { b + trimmed + query, b + trimmed + "/" + query }));
    }

    private bool Matches(string? signature, IEnumerable<string> candidates)
    {
        var claimed = Encoding.UTF8.GetBytes(signature ?? "");
        foreach (var candidate in candidates)
        {
            foreach (var key in _keys)
            {
                if (CryptographicOperations.FixedTimeEquals(Encoding.ASCII.GetBytes(Signature(key, candidate)), claimed))
                {
                    return true;
                }
            }
        }

        return false;
    }

    [SuppressMessage("Security", "CA5350:Do Not Use Weak Cryptographic Algorithms", Justification = "Twilio signs with HMAC-SHA1.")]
    private static string Signature(byte[] key, string signed) => Convert.ToBase64String(HMACSHA1.HashData(key, Encoding.UTF8.GetBytes(signed)));

    /// <summary>Names in ordinal order, each with its distinct values in ordinal order, as Twilio's Node library joins them.</summary>
    private static string Fields(IEnumerable<KeyValuePair<string, string>> form)
    {
        var fields = new SortedDictionary<string, SortedSet<string>>(StringComparer.Ordinal);
        foreach (var (name, value) in form)
        {
            if (!fields.TryGetValue(name, out var values))
            {
                fields[name] = values = new SortedSet<string>(StringComparer.Ordinal);
            }

            values.Add(value);
        }

        var joined = new StringBuilder();
        foreach (var (name, values) in fields)
        {
            foreach (var value in values)
            {
                joined.Append(name).Append(value);
            }
        }

        return joined.ToString();
    }

    /// <summary>The address as it is, without credentials, without a port, and with the scheme's own port.</summary>
    private static string[] Variants(string scheme, string authority)
    {
        var host = authority[(authority.LastIndexOf('@') + 1)..];
        var colon = host.LastIndexOf(':');
        var bare = colon > host.LastIndexOf(']') ? host[..colon] : host;
        var port = scheme is "https" or "wss" ? 443 : 80;
        return [.. new[] { authority, host, bare, $"{bare}:{port}" }.Select(a => $"{scheme}://{a}").Distinct(StringComparer.Ordinal)];
    }

    private static string? BodyHash(string? query)
    {
        foreach (var pair in (query ?? "").TrimStart('?').Split('&'))
        {
            if (pair.StartsWith(BodyHashName + "=", StringComparison.Ordinal))
            {
                return pair[(BodyHashName.Length + 1)..];
            }
        }

        return null;
    }
}
