using System.Text;
using Guru.Application.Voice;
using Guru.Infrastructure.Sockets;
using Guru.Infrastructure.Twilio;
using Shouldly;

namespace Guru.Infrastructure.Tests.Twilio;

public sealed class ReadingAMediaStream
{
    private const string Sid = "MZ00000000000000000000000000000004";

    [Fact]
    public void Knows_connected() => Read("""{"event":"connected","protocol":"Call","version":"1.0.0"}""").Event.ShouldBe(MediaStreamEvent.Connected);

    [Fact]
    public void Takes_the_parameters_and_the_format_of_a_start()
    {
        var message = Read("""
            {"event":"start","sequenceNumber":"1","streamSid":"MZ00000000000000000000000000000004",
             "start":{"accountSid":"AC1","streamSid":"MZ00000000000000000000000000000004","callSid":"CA2","tracks":["inbound"],
                      "customParameters":{"token":"r4nd0m","phoneNumber":"+233201234567","callSid":"CA2","more":{"a":[1]}},
                      "mediaFormat":{"encoding":"audio/x-mulaw","sampleRate":8000,"channels":1}}}
            """);

        message.Event.ShouldBe(MediaStreamEvent.Start);
        message.Start.ShouldBe(new MediaStreamStart(Sid, "CA2", "r4nd0m", "audio/x-mulaw", 8000, 1));
        message.Start!.IsMuLaw.ShouldBeTrue();
        message.Start.ToString().ShouldNotContain("233201234567");
        message.Start.ToString().ShouldNotContain("r4nd0m");
    }

    [Theory]
    [InlineData("""{"encoding":"audio/x-mulaw","sampleRate":"8000","channels":"1"}""", true)]
    [InlineData("{}", true)]
    [InlineData("null", true)]
    [InlineData("""{"encoding":"audio/x-mulaw","sampleRate":16000,"channels":1}""", false)]
    [InlineData("""{"encoding":"audio/x-l16","sampleRate":8000,"channels":1}""", false)]
    [InlineData("""{"encoding":"audio/x-mulaw","sampleRate":8000,"channels":2}""", false)]
    public void Tells_whether_the_format_is_the_one_we_speak(string format, bool ours) =>
        Read($$$"""{"event":"start","start":{"callSid":"CA2","streamSid":"{{{Sid}}}","customParameters":{},"mediaFormat":{{{format}}}}}""")
            .Start!.IsMuLaw.ShouldBe(ours);

    [Fact]
    public void Points_at_the_payload_inside_the_message()
    {
        var bytes = Encoding.UTF8.GetBytes(
            $$$"""{"event":"media","sequenceNumber":"3","streamSid":"{{{Sid}}}","media":{"track":"inbound","chunk":"1","timestamp":"5","payload":"//////8="}}""");

        var message = MediaStreamReader.Read(bytes, new JsonStrings());

        message.Event.ShouldBe(MediaStreamEvent.Media);
        Text(message.Payload).ShouldBe("//////8=");
        message.Payload.Span.Overlaps(bytes).ShouldBeTrue();
        message.Bytes.ShouldBe(5);
        message.TimestampMs.ShouldBe(5);
        Text(message.StreamSid).ShouldBe(Sid);
    }

    [Theory]
    [InlineData("""{"media":{"payload":"AAAA","timestamp":40},"streamSid":"MZ00000000000000000000000000000004","event":"media"}""", 40)]
    [InlineData("""{"event":"media","media":{"timestamp":"40","payload":"AAAA","new":{"x":[1,{}]}},"other":[{}],"streamSid":"MZ00000000000000000000000000000004"}""", 40)]
    [InlineData("""{"event":"media","streamSid":"MZ00000000000000000000000000000004","media":{"payload":"AAAA"}}""", -1)]
    [InlineData("""{"event":"media","streamSid":"MZ00000000000000000000000000000004","media":{"payload":"AAAA","timestamp":"soon"}}""", -1)]
    [InlineData(""" {"event":"med\u0069a","streamSid":"MZ\u0030000000000000000000000000000000 4","media":{"payload":"\u0041AAA"}} """, -1)]
    public void Does_not_mind_the_order_of_members_nor_strangers(string json, long timestamp)
    {
        var message = Read(json.Replace(" 4", "4", StringComparison.Ordinal));

        message.Event.ShouldBe(MediaStreamEvent.Media);
        Text(message.Payload).ShouldBe("AAAA");
        message.TimestampMs.ShouldBe(timestamp);
        Text(message.StreamSid).ShouldBe(Sid);
    }

    [Fact]
    public void Copies_the_value_of_an_escaped_payload_and_not_its_raw_text()
    {
        var message = Read("""{"event":"media","media":{"payload":"\/\/\u002B\u002f+A=="}}""");

        Text(message.Payload).ShouldBe("//+/+A==");
        message.Bytes.ShouldBe(4);
    }

    [Theory]
    [InlineData("AAA")]
    [InlineData("AAAA=")]
    [InlineData("A===")]
    [InlineData("AA==AAAA")]
    [InlineData("AA-_")]
    [InlineData("AA A")]
    [InlineData("AAAA    ")]
    [InlineData("AAAA\\n\\n\\n\\n")]
    [InlineData("AAé=")]
    [InlineData("")]
    public void Refuses_wrong_base64(string payload)
    {
        var message = Read($$$"""{"event":"media","media":{"payload":"{{{payload}}}"}}""");

        message.Event.ShouldBe(MediaStreamEvent.Faulty);
        message.Fault.ShouldBe(MediaStreamFault.Base64);
    }

    [Theory]
    [InlineData("""{"event":"media","media":7}""")]
    [InlineData("""{"event":"media","media":{"payload":7}}""")]
    [InlineData("""{"event":"media","media":{"payload":null}}""")]
    [InlineData("""{"event":"media","media":[[["payload"]]]}""")]
    [InlineData("""{"event":"media"}""")]
    public void Refuses_media_without_a_payload(string json) => Read(json).Fault.ShouldBe(MediaStreamFault.Base64);

    [Fact]
    public void Refuses_another_track() =>
        Read("""{"event":"media","media":{"track":"outbound","payload":"AAAA"}}""").Fault.ShouldBe(MediaStreamFault.Track);

    [Theory]
    [InlineData("")]
    [InlineData("nonsense")]
    [InlineData("[]")]
    [InlineData("7")]
    [InlineData("{")]
    [InlineData("""{"event":"media","media":{"payload":"AAAA"}""")]
    [InlineData("""{"event":"media","media":{"payload":"AAAA"}} {}""")]
    [InlineData("""{"event":"media",}""")]
    [InlineData("""{"event":"\uD800","streamSid":"\uD800"}""")]
    public void Calls_broken_json_broken_and_throws_nothing(string json) => Read(json).Fault.ShouldBe(MediaStreamFault.Json);

    [Fact]
    public void Calls_a_bottomless_message_broken() =>
        Read(string.Concat(Enumerable.Repeat("""{"a":""", 5000))).Fault.ShouldBe(MediaStreamFault.Json);

    [Theory]
    [InlineData("""{"event":"mark","mark":{"name":"g3:9600"}}""", 3, 9600)]
    [InlineData("""{"mark":{"name":"g0:0"},"event":"mark"}""", 0, 0)]
    [InlineData("""{"event":"mark","mark":{"name":"g2147483647:9223372036854775807"}}""", int.MaxValue, long.MaxValue)]
    public void Reads_our_marks_back(string json, int generation, long position)
    {
        Read(json).Event.ShouldBe(MediaStreamEvent.Mark);
        Read(json).Mark.ShouldBe(new PlaybackMark(generation, position));
    }

    [Theory]
    [InlineData("resp_42")]
    [InlineData("")]
    [InlineData("g")]
    [InlineData("g1")]
    [InlineData("g1:")]
    [InlineData("g1:2x")]
    [InlineData("g1:2:3")]
    [InlineData("g-1:2")]
    [InlineData("g1:-2")]
    [InlineData("g99999999999:2")]
    public void Passes_over_marks_that_are_not_ours(string name) =>
        Read($$$"""{"event":"mark","mark":{"name":"{{{name}}}"}}""").Event.ShouldBe(MediaStreamEvent.Unknown);

    [Fact]
    public void Reads_a_digit() =>
        Read("""{"event":"dtmf","streamSid":"MZ1","dtmf":{"track":"inbound_track","digit":"#"}}""").Digit.ShouldBe('#');

    [Theory]
    [InlineData("x")]
    [InlineData("12")]
    [InlineData("")]
    public void Refuses_what_is_no_digit(string digit) =>
        Read($$$"""{"event":"dtmf","dtmf":{"digit":"{{{digit}}}"}}""").Fault.ShouldBe(MediaStreamFault.Digit);

    [Fact]
    public void Knows_stop_and_passes_over_the_unknown()
    {
        Read("""{"event":"stop","streamSid":"MZ1","stop":{"accountSid":"AC1","callSid":"CA2"}}""").Event.ShouldBe(MediaStreamEvent.Stop);
        Read("""{"event":"video","streamSid":"MZ1"}""").Event.ShouldBe(MediaStreamEvent.Unknown);
        Read("{}").Event.ShouldBe(MediaStreamEvent.Unknown);
    }

    [Fact]
    public void Allocates_nothing_for_frames_marks_and_digits()
    {
        var strings = new JsonStrings();
        byte[][] messages =
        [
            Encoding.UTF8.GetBytes(
                $$$"""{"event":"media","streamSid":"{{{Sid}}}","media":{"timestamp":"5","payload":"{{{Convert.ToBase64String(new byte[160])}}}"}}"""),
            Encoding.UTF8.GetBytes("""{"event":"media","media":{"payload":"\/\/\/\/"}}"""),
            Encoding.UTF8.GetBytes("""{"event":"mark","mark":{"name":"g3:9600"}}"""),
            Encoding.UTF8.GetBytes("""{"event":"dtmf","dtmf":{"digit":"1"}}"""),
        ];
        Run(messages, strings, 100);

        var before = GC.GetAllocatedBytesForCurrentThread();
        Run(messages, strings, 1000);

        (GC.GetAllocatedBytesForCurrentThread() - before).ShouldBe(0);
    }

    private static void Run(byte[][] messages, JsonStrings strings, int times)
    {
        for (var i = 0; i < times; i++)
        {
            foreach (var message in messages)
            {
                if (MediaStreamReader.Read(message, strings).Event == MediaStreamEvent.Faulty)
                {
                    throw new InvalidOperationException("A good message was refused.");
                }
            }
        }
    }

    private static MediaStreamMessage Read(string json) => MediaStreamReader.Read(Encoding.UTF8.GetBytes(json), new JsonStrings());

    private static string Text(ReadOnlyMemory<byte> utf8) => Encoding.UTF8.GetString(utf8.Span);
}
