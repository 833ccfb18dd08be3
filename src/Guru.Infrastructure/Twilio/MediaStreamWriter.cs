using System.Buffers.Text;
using System.Text;
using System.Text.Json;
using Guru.Application.Voice;

namespace Guru.Infrastructure.Twilio;

/// <summary>
/// Messages to the carrier as bytes. The StreamSid is made JSON once per stream; a media or mark message is then its prefix, the
/// payload or the name, and <see cref="Suffix"/>.
/// </summary>
internal sealed class MediaStreamWriter(string streamSid)
{
    /// <summary>g, two numbers and a colon.</summary>
    public const int MaxMarkNameBytes = 32;

    private readonly byte[] _media = Envelope(streamSid, """{"event":"media","streamSid":"$","media":{"payload":""" + "\"");
    private readonly byte[] _mark = Envelope(streamSid, """{"event":"mark","streamSid":"$","mark":{"name":""" + "\"");
    private readonly byte[] _clear = Envelope(streamSid, """{"event":"clear","streamSid":"$"}""");

    public static ReadOnlySpan<byte> Suffix => "\"}}"u8;

    public ReadOnlySpan<byte> Media => _media;

    public ReadOnlySpan<byte> Mark => _mark;

    public ReadOnlySpan<byte> Clear => _clear;

    /// <summary>The name of a mark: <c>g{generation}:{position}</c>.</summary>
    public static int WriteMarkName(PlaybackMark mark, Span<byte> name)
    {
        name[0] = (byte)'g';
        var length = 1;
        Utf8Formatter.TryFormat(mark.Generation, name[length..], out var written);
        length += written;
        name[length++] = (byte)':';
        Utf8Formatter.TryFormat(mark.Position, name[length..], out written);
        return length + written;
    }

    /// <summary>Reads a name back; others have not been written here.</summary>
    public static bool TryReadMark(ReadOnlySpan<byte> name, out PlaybackMark mark)
    {
        mark = default;
        if (name.IsEmpty || name[0] != (byte)'g'
            || !Utf8Parser.TryParse(name[1..], out int generation, out var read) || generation < 0)
        {
            return false;
        }

        var rest = name[(1 + read)..];
        if (rest.Length < 2 || rest[0] != (byte)':'
            || !Utf8Parser.TryParse(rest[1..], out long position, out read) || position < 0 || read != rest.Length - 1)
        {
            return false;
        }

        mark = new PlaybackMark(generation, position);
        return true;
    }

    private static byte[] Envelope(string streamSid, string json) =>
        Encoding.UTF8.GetBytes(json.Replace("$", JsonEncodedText.Encode(streamSid).ToString(), StringComparison.Ordinal));
}
