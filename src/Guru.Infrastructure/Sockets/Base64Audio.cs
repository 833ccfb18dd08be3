using System.Buffers.Text;

namespace Guru.Infrastructure.Sockets;

internal static class Base64Audio
{
    /// <summary>Checks a payload and tells how many bytes of audio it holds, without decoding it.</summary>
    /// <remarks>White space, which base64 may contain elsewhere, is refused: the payload is copied into JSON as it is.</remarks>
    public static bool TryMeasure(ReadOnlySpan<byte> payload, out int bytes)
    {
        bytes = 0;
        if (payload.Length % 4 != 0 || !Base64.IsValid(payload, out bytes))
        {
            return false;
        }

        var padding = payload.EndsWith("=="u8) ? 2 : payload.EndsWith("="u8) ? 1 : 0;
        return bytes == (payload.Length / 4 * 3) - padding;
    }
}
