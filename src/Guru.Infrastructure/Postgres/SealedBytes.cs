using System.Security.Cryptography;

namespace Guru.Infrastructure.Postgres;

/// <summary>Bytes under a key: nonce (12), ciphertext, tag (16), AES-256-GCM. The binding is what they belong to: they open nowhere else.</summary>
internal static class SealedBytes
{
    public const int NonceLength = 12;
    public const int TagLength = 16;
    public const int Overhead = NonceLength + TagLength;

    public static byte[] Seal(byte[] key, ReadOnlySpan<byte> plain, ReadOnlySpan<byte> binding)
    {
        var bytes = new byte[plain.Length + Overhead];
        plain.CopyTo(bytes.AsSpan(NonceLength));
        SealInPlace(key, bytes, binding);
        return bytes;
    }

    /// <summary>Seals what lies between the room for the nonce and the room for the tag.</summary>
    public static void SealInPlace(byte[] key, Span<byte> bytes, ReadOnlySpan<byte> binding)
    {
        var body = bytes[NonceLength..^TagLength];
        RandomNumberGenerator.Fill(bytes[..NonceLength]);
        using var aes = new AesGcm(key, TagLength);
        aes.Encrypt(bytes[..NonceLength], body, body, bytes[^TagLength..], binding);
    }

    /// <exception cref="CryptographicException">Not sealed under this key and binding, or damaged.</exception>
    public static byte[] Open(byte[] key, ReadOnlySpan<byte> bytes, ReadOnlySpan<byte> binding)
    {
        using var aes = new AesGcm(key, TagLength);
        var plain = new byte[Math.Max(0, bytes.Length - Overhead)];
        Open(aes, bytes, plain, binding);
        return plain;
    }

    /// <param name="plain">As long as what was sealed; it may lie where its ciphertext does.</param>
    /// <exception cref="CryptographicException">Not sealed under this key and binding, or damaged.</exception>
    public static void Open(AesGcm aes, ReadOnlySpan<byte> bytes, Span<byte> plain, ReadOnlySpan<byte> binding)
    {
        if (bytes.Length < Overhead)
        {
            throw new CryptographicException("What is sealed is too short.");
        }

        aes.Decrypt(bytes[..NonceLength], bytes[NonceLength..^TagLength], bytes[^TagLength..], plain, binding);
    }
}
