using System.Diagnostics.CodeAnalysis;
using System.Net;

namespace Guru.Infrastructure.Twilio;

/// <summary>Where Twilio's products are, which addresses may see the credentials, and where a medium may be fetched from.</summary>
internal sealed class TwilioHosts(Uri baseUrl)
{
    private readonly string _base = baseUrl.GetLeftPart(UriPartial.Path).TrimEnd('/');

    /// <summary>With a stand-in on this machine, media may come from this machine too, and without TLS.</summary>
    public bool AreLocal { get; init; } = baseUrl.IsLoopback;

    /// <param name="pathAndQuery">With its slash.</param>
    public Uri Api(string pathAndQuery) => new(_base + pathAndQuery);

    /// <summary>Products other than the API have hosts of their own, in the same region; a stand-in is all of them.</summary>
    public Uri Messaging(string path) => Product("messaging", path);

    /// <inheritdoc cref="Messaging"/>
    public Uri Content(string pathAndQuery) => Product("content", pathAndQuery);

    /// <summary>The first hop to a medium, which is shown the credentials: a Twilio API host, for which a stand-in stands.</summary>
    public bool TryMedia(Uri url, [NotNullWhen(true)] out Uri? address)
    {
        address = IsBase(url) || (IsApi(url) && IsApi(baseUrl)) ? url : IsApi(url) ? Api(url.PathAndQuery) : null;
        return address is not null;
    }

    /// <summary>The same scheme, host and port as the configured address.</summary>
    public bool IsBase(Uri url) =>
        url.UserInfo.Length == 0
        && Uri.Compare(url, baseUrl, UriComponents.SchemeAndServer, UriFormat.UriEscaped, StringComparison.OrdinalIgnoreCase) == 0;

    /// <summary>
    /// Whether a redirect may be followed, without credentials: over TLS and not to a private network, since the address comes from
    /// outside. Names are checked again when they are resolved. The configured address itself is the operator's choice.
    /// </summary>
    public bool MayLeadTo(Uri url) =>
        IsBase(url)
        || (url.UserInfo.Length == 0
            && url.Scheme is "https" or "http" && (url.Scheme == "https" || AreLocal)
            && (AreLocal || !IPAddress.TryParse(url.IdnHost, out var literal) || PublicNetwork.Has(literal)));

    private Uri Product(string name, string path) => new((IsApi(baseUrl) ? $"https://{name}.{baseUrl.IdnHost["api.".Length..]}" : _base) + path);

    /// <summary>api.twilio.com, or that of a region: api.dublin.ie1.twilio.com.</summary>
    private static bool IsApi(Uri url) =>
        url.Scheme == "https" && url.IsDefaultPort && url.UserInfo.Length == 0
        && url.IdnHost.StartsWith("api.", StringComparison.OrdinalIgnoreCase)
        && url.IdnHost.EndsWith(".twilio.com", StringComparison.OrdinalIgnoreCase);
}
