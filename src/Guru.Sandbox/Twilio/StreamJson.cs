using System.Buffers.Text;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace Guru.Sandbox.Twilio;

/// <summary>The JSON that Twilio sends on a Media Stream: numbers as strings, members in its order.</summary>
sealed class StreamJson(string streamSid, string callSid, string accountSid, bool escapedSlashes)
{
    static readonly JsonSerializerOptions Plain = new() { Encoder = System.Text.Encodings.Web.JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    long _sequence;

    public static byte[] Connected { get; } = [.. """{"event":"connected","protocol":"Call","version":"1.0.0"}"""u8];

    public byte[] Start(IReadOnlyDictionary<string, string> parameters) => Bytes(new JsonObject
    {
        ["event"] = "start",
        ["sequenceNumber"] = Next(),
        ["start"] = new JsonObject
        {
            ["accountSid"] = accountSid,
            ["streamSid"] = streamSid,
            ["callSid"] = callSid,
            ["tracks"] = new JsonArray("inbound"),
            ["mediaFormat"] = new JsonObject { ["encoding"] = "audio/x-mulaw", ["sampleRate"] = 8000, ["channels"] = 1 },
            ["customParameters"] = new JsonObject(parameters.Select(p => KeyValuePair.Create(p.Key, (JsonNode?)p.Value))),
        },
        ["streamSid"] = streamSid,
    });

    public byte[] Media(in StreamMessage message, string? ofStream = null)
    {
        Span<byte> base64 = stackalloc byte[Base64.GetMaxEncodedToUtf8Length(message.Audio.Length)];
        Base64.EncodeToUtf8(message.Audio.Span, base64, out _, out var length);
        var payload = Encoding.ASCII.GetString(base64[..length]);
        payload = escapedSlashes ? payload.Replace("/", "\\/", StringComparison.Ordinal) : payload;
        return Encoding.UTF8.GetBytes(
            $$$"""{"event":"media","sequenceNumber":"{{{Next()}}}","media":{"track":"inbound","chunk":"{{{message.Chunk}}}","timestamp":"{{{message.TimestampMs}}}","payload":"{{{payload}}}"},"streamSid":"{{{ofStream ?? streamSid}}}"}""");
    }

    public byte[] Mark(string name) => Bytes(new JsonObject
    {
        ["event"] = "mark", ["sequenceNumber"] = Next(), ["streamSid"] = streamSid, ["mark"] = new JsonObject { ["name"] = name },
    });

    public byte[] Digit(char digit) => Bytes(new JsonObject
    {
        ["event"] = "dtmf", ["streamSid"] = streamSid, ["sequenceNumber"] = Next(),
        ["dtmf"] = new JsonObject { ["track"] = "inbound_track", ["digit"] = digit.ToString() },
    });

    public byte[] Stop() => Bytes(new JsonObject
    {
        ["event"] = "stop", ["sequenceNumber"] = Next(), ["streamSid"] = streamSid,
        ["stop"] = new JsonObject { ["accountSid"] = accountSid, ["callSid"] = callSid },
    });

    public byte[] Unknown() => Bytes(new JsonObject
    {
        ["event"] = "weather", ["sequenceNumber"] = Next(), ["streamSid"] = streamSid, ["weather"] = new JsonObject { ["sky"] = new JsonArray("clear", 7) },
    });

    public byte[] WrongBase64() => Encoding.UTF8.GetBytes(
        $$$"""{"event":"media","sequenceNumber":"{{{Next()}}}","media":{"track":"inbound","chunk":"1","timestamp":"0","payload":"//*not base64*"},"streamSid":"{{{streamSid}}}"}""");

    string Next() => (++_sequence).ToString(System.Globalization.CultureInfo.InvariantCulture);

    static byte[] Bytes(JsonObject message) => Encoding.UTF8.GetBytes(message.ToJsonString(Plain));
}
