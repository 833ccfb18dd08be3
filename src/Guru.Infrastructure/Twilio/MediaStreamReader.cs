using System.Globalization;
using System.Text;
using System.Text.Json;
using Guru.Infrastructure.Sockets;

namespace Guru.Infrastructure.Twilio;

/// <summary>
/// Bytes of the carrier to messages. Members may stand in any order, numbers may be strings, and what is unknown is passed over.
/// Nothing is allocated for media, marks and digits.
/// </summary>
internal static class MediaStreamReader
{
    private static readonly MediaStreamMessage MalformedJson = new(MediaStreamEvent.Faulty, Fault: MediaStreamFault.Json);

    /// <param name="message">One whole message; the result points into it.</param>
    /// <param name="strings">Keeps what had to be unescaped, until the next call.</param>
    public static MediaStreamMessage Read(ReadOnlyMemory<byte> message, JsonStrings strings)
    {
        try
        {
            var said = new Envelope();
            var reader = new MessageReader(message, strings);
            if (!reader.Enter())
            {
                return MalformedJson;
            }

            said.Read(ref reader);
            return reader.AtEnd() ? Interpret(ref said) : MalformedJson;
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            return MalformedJson; // Broken JSON, or a string with half a surrogate pair.
        }
    }

    private static MediaStreamMessage Interpret(ref Envelope said)
    {
        var name = said.Event.Span;
        if (name.SequenceEqual("media"u8))
        {
            return Media(ref said);
        }

        if (name.SequenceEqual("mark"u8))
        {
            return MediaStreamWriter.TryReadMark(said.MarkName.Span, out var mark)
                ? new MediaStreamMessage(MediaStreamEvent.Mark, said.StreamSid, Mark: mark)
                : new MediaStreamMessage(MediaStreamEvent.Unknown, said.StreamSid);
        }

        if (name.SequenceEqual("dtmf"u8))
        {
            var digit = said.Digit.Span;
            return digit.Length == 1 && "0123456789*#ABCD"u8.Contains(digit[0])
                ? new MediaStreamMessage(MediaStreamEvent.Dtmf, said.StreamSid, Digit: (char)digit[0])
                : new MediaStreamMessage(MediaStreamEvent.Faulty, said.StreamSid, Fault: MediaStreamFault.Digit);
        }

        if (name.SequenceEqual("start"u8))
        {
            return new MediaStreamMessage(MediaStreamEvent.Start, said.StreamSid, Start: Start(ref said));
        }

        if (name.SequenceEqual("stop"u8))
        {
            return new MediaStreamMessage(MediaStreamEvent.Stop, said.StreamSid);
        }

        return new MediaStreamMessage(
            name.SequenceEqual("connected"u8) ? MediaStreamEvent.Connected : MediaStreamEvent.Unknown, said.StreamSid);
    }

    private static MediaStreamMessage Media(ref Envelope said)
    {
        if (!Base64Audio.TryMeasure(said.Payload.Span, out var bytes) || bytes == 0)
        {
            return new MediaStreamMessage(MediaStreamEvent.Faulty, said.StreamSid, Fault: MediaStreamFault.Base64);
        }

        var track = said.Track.Span;
        return track.IsEmpty || track.SequenceEqual("inbound"u8) || track.SequenceEqual("inbound_track"u8)
            ? new MediaStreamMessage(MediaStreamEvent.Media, said.StreamSid, said.Payload, bytes, Number(said.Timestamp) ?? -1)
            : new MediaStreamMessage(MediaStreamEvent.Faulty, said.StreamSid, Fault: MediaStreamFault.Track);
    }

    private static MediaStreamStart Start(ref Envelope said) => new(
        Text(said.StreamSid.IsEmpty ? said.StartStreamSid : said.StreamSid) ?? "",
        Text(said.CallSid) ?? "",
        Text(said.Token),
        Text(said.Encoding),
        (int?)Number(said.SampleRate),
        (int?)Number(said.Channels));

    private static string? Text(ReadOnlyMemory<byte> value) => value.IsEmpty ? null : Encoding.UTF8.GetString(value.Span);

    private static long? Number(ReadOnlyMemory<byte> value) =>
        long.TryParse(value.Span, NumberStyles.None, CultureInfo.InvariantCulture, out var number) ? number : null;

    /// <summary>What a message says, before it is known which event it is.</summary>
    private struct Envelope
    {
        public ReadOnlyMemory<byte> Event;
        public ReadOnlyMemory<byte> StreamSid;
        public ReadOnlyMemory<byte> Payload;
        public ReadOnlyMemory<byte> Track;
        public ReadOnlyMemory<byte> Timestamp;
        public ReadOnlyMemory<byte> MarkName;
        public ReadOnlyMemory<byte> Digit;
        public ReadOnlyMemory<byte> CallSid;
        public ReadOnlyMemory<byte> StartStreamSid;
        public ReadOnlyMemory<byte> Token;
        public ReadOnlyMemory<byte> Encoding;
        public ReadOnlyMemory<byte> SampleRate;
        public ReadOnlyMemory<byte> Channels;

        public void Read(ref MessageReader reader)
        {
            while (reader.Next())
            {
                if (reader.Is("event"u8)) { Event = reader.Text(); }
                else if (reader.Is("streamSid"u8)) { StreamSid = reader.Text(); }
                else if (reader.Is("media"u8)) { ReadMedia(ref reader); }
                else if (reader.Is("mark"u8)) { ReadMark(ref reader); }
                else if (reader.Is("dtmf"u8)) { ReadDtmf(ref reader); }
                else if (reader.Is("start"u8)) { ReadStart(ref reader); }
                else { reader.Skip(); }
            }
        }

        private void ReadMedia(ref MessageReader reader)
        {
            for (var inside = reader.Enter(); inside && reader.Next();)
            {
                if (reader.Is("payload"u8)) { Payload = reader.Text(); }
                else if (reader.Is("track"u8)) { Track = reader.Text(); }
                else if (reader.Is("timestamp"u8)) { Timestamp = reader.Text(); }
                else { reader.Skip(); }
            }
        }

        private void ReadMark(ref MessageReader reader)
        {
            for (var inside = reader.Enter(); inside && reader.Next();)
            {
                if (reader.Is("name"u8)) { MarkName = reader.Text(); }
                else { reader.Skip(); }
            }
        }

        private void ReadDtmf(ref MessageReader reader)
        {
            for (var inside = reader.Enter(); inside && reader.Next();)
            {
                if (reader.Is("digit"u8)) { Digit = reader.Text(); }
                else { reader.Skip(); }
            }
        }

        private void ReadStart(ref MessageReader reader)
        {
            for (var inside = reader.Enter(); inside && reader.Next();)
            {
                if (reader.Is("callSid"u8)) { CallSid = reader.Text(); }
                else if (reader.Is("streamSid"u8)) { StartStreamSid = reader.Text(); }
                else if (reader.Is("customParameters"u8)) { ReadParameters(ref reader); }
                else if (reader.Is("mediaFormat"u8)) { ReadFormat(ref reader); }
                else { reader.Skip(); }
            }
        }

        private void ReadParameters(ref MessageReader reader)
        {
            for (var inside = reader.Enter(); inside && reader.Next();)
            {
                if (reader.Is("token"u8)) { Token = reader.Text(); }
                else { reader.Skip(); }
            }
        }

        private void ReadFormat(ref MessageReader reader)
        {
            for (var inside = reader.Enter(); inside && reader.Next();)
            {
                if (reader.Is("encoding"u8)) { Encoding = reader.Text(); }
                else if (reader.Is("sampleRate"u8)) { SampleRate = reader.Text(); }
                else if (reader.Is("channels"u8)) { Channels = reader.Text(); }
                else { reader.Skip(); }
            }
        }
    }
}
