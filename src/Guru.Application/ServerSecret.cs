namespace Guru.Application;

/// <summary>The seed of keyed hashes and tokens (GURU_SECRET).</summary>
public sealed class ServerSecret(byte[] value)
{
    public ReadOnlySpan<byte> Value => value;
}
