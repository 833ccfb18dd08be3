using System.Buffers.Text;
using System.Text;
using Guru.Infrastructure.OpenAI;
using Guru.Infrastructure.Sockets;
using Guru.Infrastructure.Twilio;
using Shouldly;

namespace Guru.Infrastructure.Tests.Sockets;

/// <summary>Messages of the corpus, broken in a hundred thousand ways, the same ones every time: a reader says what is wrong, and never throws.</summary>
public sealed class RubbishOnTheWire
{
    private const int Messages = 100_000;

    private static readonly string[] Values =
    [
        "null", "true", "-1", "1.5", "1e400", "99999999999999999999999", "\"\"", "\"\\ud800\"", "\"\\u0000\"", "[]", "{}", "[[[[[[[[]]]]]]]]",
        "{\"a\":{\"a\":{\"a\":1}}}", "\"9223372036854775807\"", "-9223372036854775808", "\"AAA\"", "\"A===\"", "0",
    ];

    [Fact]
    public void Of_the_carriers_socket_is_a_fault_or_a_whole_message()
    {
        var strings = new JsonStrings();
        foreach (var message in Broken("twilio.jsonl"))
        {
            var read = Unthrown(message, () => MediaStreamReader.Read(message, strings));
            if (read.Event == MediaStreamEvent.Media)
            {
                (Base64.IsValid(read.Payload.Span, out var bytes), bytes).ShouldBe((true, read.Bytes));
                read.TimestampMs.ShouldBeGreaterThanOrEqualTo(-1);
            }
        }
    }

    [Fact]
    public void Of_the_models_socket_is_malformed_or_a_whole_message()
    {
        var strings = new JsonStrings();
        foreach (var message in Broken("openai.jsonl"))
        {
            var read = Unthrown(message, () => RealtimeReader.Read(message, strings, out _));
            if (read is { Event: null, Audio: var audio })
            {
                (Base64.IsValid(audio.Payload.Span, out var bytes), bytes).ShouldBe((true, audio.Bytes));
                audio.Bytes.ShouldBeGreaterThan(0);
                audio.ContentIndex.ShouldBeGreaterThanOrEqualTo(0);
            }
        }
    }

    private static T Unthrown<T>(byte[] message, Func<T> read)
    {
        try
        {
            return read();
        }
        catch (Exception error)
        {
            throw new ShouldAssertException(Encoding.UTF8.GetString(message), error);
        }
    }

    private static IEnumerable<byte[]> Broken(string corpus)
    {
        var whole = File.ReadAllLines(Path.Combine(AppContext.BaseDirectory, "Corpus", corpus)).Select(Encoding.UTF8.GetBytes).ToList();
        var random = new Random(20261127);
        for (var number = 0; number < Messages; number++)
        {
            var message = whole[random.Next(whole.Count)];
            for (var times = random.Next(4); times >= 0; times--)
            {
                message = Break(message, whole[random.Next(whole.Count)], random);
            }

            yield return message;
        }
    }

    private static byte[] Break(byte[] message, byte[] other, Random random)
    {
        var at = random.Next(message.Length + 1);
        switch (random.Next(6))
        {
            case 0:
                return message[..at];
            case 1:
                return [.. message[..at], (byte)random.Next(256), .. message[at..]];
            case 2:
                return [.. message[..at], .. message[Math.Min(message.Length, at + random.Next(1, 12))..]];
            case 3:
                return [.. message[..at], .. other[random.Next(other.Length)..]];
            default:
                // Another value for a member, which leaves it JSON.
                var colons = Enumerable.Range(0, message.Length).Where(index => message[index] == ':').ToList();
                if (colons.Count == 0)
                {
                    return message;
                }

                var from = colons[random.Next(colons.Count)] + 1;
                var until = from;
                while (until < message.Length && message[until] is not ((byte)',' or (byte)'}' or (byte)']'))
                {
                    until++;
                }

                return [.. message[..from], .. Encoding.UTF8.GetBytes(Values[random.Next(Values.Length)]), .. message[until..]];
        }
    }
}
