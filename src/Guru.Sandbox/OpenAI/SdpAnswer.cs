using System.Text;

namespace Guru.Sandbox.OpenAI;

/// <summary>
/// An answer to a browser's offer that a browser takes: the same media, the codec it offered first, and an address where nobody is. The
/// browser goes on trying to connect; media need a peer that speaks WebRTC (<see cref="OpenAIStandInOptions.Peer"/>).
/// </summary>
static class SdpAnswer
{
    /// <exception cref="FormatException">It is no offer with audio.</exception>
    public static string To(string offer)
    {
        var lines = offer.Split(["\r\n", "\n"], StringSplitOptions.RemoveEmptyEntries);
        var media = Array.FindIndex(lines, line => line.StartsWith("m=", StringComparison.Ordinal));
        if (!offer.StartsWith("v=0", StringComparison.Ordinal) || media < 0 || !offer.Contains("m=audio", StringComparison.Ordinal))
        {
            throw new FormatException("Not an offer with audio.");
        }

        var answer = new StringBuilder("v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n");
        foreach (var line in lines[..media].Where(line => line.StartsWith("a=group:", StringComparison.Ordinal)))
        {
            answer.Append(line).Append("\r\n");
        }

        foreach (var line in lines[media..])
        {
            Answer(answer, line);
        }

        return answer.ToString();
    }

    static void Answer(StringBuilder answer, string line)
    {
        if (line.StartsWith("m=", StringComparison.Ordinal))
        {
            var parts = line.Split(' ');
            answer.Append(string.Join(' ', parts[..4])).Append("\r\nc=IN IP4 127.0.0.1\r\n")
                .Append("a=ice-ufrag:sandbox1\r\na=ice-pwd:sandboxsandboxsandbox123\r\n")
                .Append("a=fingerprint:sha-256 ").AppendJoin(':', Enumerable.Repeat("00", 32)).Append("\r\na=setup:active\r\n")
                .Append("a=candidate:1 1 udp 2130706431 127.0.0.1 9 typ host\r\n");
        }
        else if (line.StartsWith("a=mid:", StringComparison.Ordinal) || line is "a=rtcp-mux" or "a=sctp-port:5000")
        {
            answer.Append(line).Append("\r\n");
        }
        else if (line == "a=sendrecv" || line.StartsWith("a=rtpmap:111 ", StringComparison.Ordinal))
        {
            answer.Append(line).Append("\r\n");
        }
    }
}
