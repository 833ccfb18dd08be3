using System.Buffers;
using System.Buffers.Text;
using System.Security.Cryptography;
using System.Text;

namespace Guru.Infrastructure.Postgres;

/// <summary>
/// A text under a key: <c>~{key id, 32 hexadecimal digits}.{base64url of nonce (12), ciphertext, tag (16)}</c>, AES-256-GCM.
/// </summary>
internal static class SealedText
{
    private const char Mark = '~';
    private const int IdLength = 32;

    public static string Seal(Guid keyId, byte[] key, string text, byte[] binding)
    {
        var bytes = new byte[SealedBytes.Overhead + Encoding.UTF8.GetByteCount(text)];
        Encoding.UTF8.GetBytes(text, bytes.AsSpan(SealedBytes.NonceLength));
        SealedBytes.SealInPlace(key, bytes, binding);
        return $"{Mark}{keyId:N}.{Base64Url.EncodeToString(bytes)}";
    }

    /// <summary>Whether a text is sealed, and under which key.</summary>
    public static bool TryKeyId(string? text, out Guid keyId)
    {
        keyId = default;
        return text is { Length: > IdLength + 2 } && text[0] == Mark && text[IdLength + 1] == '.'
            && Guid.TryParseExact(text.AsSpan(1, IdLength), "N", out keyId);
    }

    /// <exception cref="CryptographicException">Not sealed under this key for this member, or damaged.</exception>
    public static string Open(string text, byte[] key, byte[] binding)
    {
        using var aes = new AesGcm(key, SealedBytes.TagLength);
        return Open(text, aes, binding);
    }

    /// <inheritdoc cref="Open(string, byte[], byte[])"/>
    public static string Open(string text, AesGcm aes, byte[] binding)
    {
        var encoded = text.AsSpan(IdLength + 2);
        var bytes = ArrayPool<byte>.Shared.Rent(Base64Url.GetMaxDecodedLength(encoded.Length));
        try
        {
            var length = Base64Url.DecodeFromChars(encoded, bytes);
            var plain = bytes.AsSpan(SealedBytes.NonceLength, Math.Max(0, length - SealedBytes.Overhead));
            SealedBytes.Open(aes, bytes.AsSpan(0, length), plain, binding);
            return Encoding.UTF8.GetString(plain);
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(bytes, clearArray: true);
        }
    }
}
