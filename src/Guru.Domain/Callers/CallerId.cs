using System.Buffers;
using System.Diagnostics.CodeAnalysis;
using System.Security.Cryptography;
using System.Text;

namespace Guru.Domain.Callers;

/// <summary>
/// The name a caller has inside Guru: a keyed hash of the address (HMAC-SHA256 with the server's secret, cut to 128 bits,
/// 32 lowercase hexadecimal digits), so that no phone number is part of a key, a URL or a log line.
/// </summary>
public readonly record struct CallerId
{
    private const int Length = 32;
    private static readonly SearchValues<char> LowercaseHex = SearchValues.Create("0123456789abcdef");

    private CallerId(string value) => Value = value;

    public string Value { get; }

    public static CallerId Of(CallerAddress address, ReadOnlySpan<byte> secret) =>
        new(Convert.ToHexStringLower(HMACSHA256.HashData(secret, Encoding.UTF8.GetBytes(address.Value)))[..Length]);

    /// <summary>For somebody without an address, who is known by this name alone.</summary>
    public static CallerId New() => new(RandomNumberGenerator.GetHexString(Length, lowercase: true));

    public static bool TryParse([NotNullWhen(true)] string? text, out CallerId id)
    {
        id = default;
        if (text is not { Length: Length } || text.AsSpan().IndexOfAnyExcept(LowercaseHex) >= 0)
        {
            return false;
        }

        id = new CallerId(text);
        return true;
    }

    public static CallerId Parse(string text) => TryParse(text, out var id) ? id : throw new FormatException("Not a caller id.");

    public override string ToString() => Value ?? "";
}
