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
    private const int NonceLength = 12;
    private const int TagLength = 16;

    public static string Seal(Guid keyId, byte[] key, string text, byte[] binding)
    {
        var length = Encoding.UTF8.GetByteCount(text);
        var bytes = new byte[NonceLength + length + TagLength];
        var nonce = bytes.AsSpan(0, NonceLength);
        var body = bytes.AsSpan(NonceLength, length);
        RandomNumberGenerator.Fill(nonce);
        Encoding.UTF8.GetBytes(text, body);
        using var aes = new AesGcm(key, TagLength);
        aes.Encrypt(nonce, body, body, bytes.AsSpan(NonceLength + length), binding);
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
        Span<byte> bytes = Base64Url.DecodeFromChars(text.AsSpan(IdLength + 2));
        if (bytes.Length < NonceLength + TagLength)
        {
            throw new CryptographicException("A sealed text is too short.");
        }

        var body = bytes[NonceLength..^TagLength];
        using var aes = new AesGcm(key, TagLength);
        aes.Decrypt(bytes[..NonceLength], body, bytes[^TagLength..], body, binding);
        return Encoding.UTF8.GetString(body);
    }
}
