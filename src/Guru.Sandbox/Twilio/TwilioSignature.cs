using System.Security.Cryptography;
using System.Text;

namespace Guru.Sandbox.Twilio;

/// <summary>X-Twilio-Signature, as Twilio makes it.</summary>
public static class TwilioSignature
{
    /// <param name="url">As requested, without fragment; for a Media Stream the url of the Stream noun as written.</param>
    /// <param name="parameters">Of a form POST; decoded. Empty for all else.</param>
    public static string Of(string url, IEnumerable<KeyValuePair<string, string>> parameters, string authToken)
    {
        var text = new StringBuilder(url);
        foreach (var values in parameters.GroupBy(p => p.Key, p => p.Value, StringComparer.Ordinal)
            .OrderBy(p => p.Key, StringComparer.Ordinal))
        {
            foreach (var value in values.Distinct(StringComparer.Ordinal).Order(StringComparer.Ordinal))
            {
                text.Append(values.Key).Append(value);
            }
        }

        // CA5350: the vendor's choice of hash.
#pragma warning disable CA5350
        return Convert.ToBase64String(HMACSHA1.HashData(Encoding.UTF8.GetBytes(authToken), Encoding.UTF8.GetBytes(text.ToString())));
#pragma warning restore CA5350
    }

    /// <summary>What Twilio signs of a webhook's address: no credentials, no fragment; for voice over HTTPS no port either.</summary>
    public static string SignedUrl(Uri url, bool voice)
    {
        var parts = url.GetComponents(UriComponents.PathAndQuery, UriFormat.UriEscaped);
        var port = (voice && url.Scheme == Uri.UriSchemeHttps) || url.IsDefaultPort ? "" : $":{url.Port}";
        return $"{url.Scheme}://{url.Host}{port}{parts}";
    }
}
