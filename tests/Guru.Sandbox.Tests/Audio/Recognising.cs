using Guru.Sandbox.Audio;
using Guru.Sandbox.OpenAI;
using Shouldly;

namespace Guru.Sandbox.Tests.Audio;

public sealed class Recognising
{
    public static TheoryData<string> EverySample => [.. SampleLibrary.Shipped.All.Select(sample => sample.Id)];

    public static TheoryData<string> EveryCallerSample =>
        [.. SampleLibrary.Shipped.All.Where(sample => sample.Speaker == "caller").Select(sample => sample.Id)];

    [Theory]
    [MemberData(nameof(EverySample))]
    public void Every_sample_is_known_at_any_offset_in_silence(string id)
    {
        var sample = SampleLibrary.Shipped[id];
        foreach (var offset in (int[])[0, 1, 159, 2407])
        {
            var recognised = Recognition.Of([.. Silence(offset), .. sample.Audio, .. Silence(4000)], Recogniser.Shipped);
            recognised.Text.ShouldBe(sample.Text);
            recognised.Language.ShouldBe(sample.Language);
            recognised.Heard.ShouldHaveSingleItem().Length.ShouldBeGreaterThan(sample.Audio.Length - 1000);
        }
    }

    [Theory]
    [MemberData(nameof(EverySample))]
    public void Padding_put_into_a_sample_does_not_double_its_words(string id)
    {
        var sample = SampleLibrary.Shipped[id];
        var middle = sample.Audio.Length / 2;
        byte[] padded = [.. sample.Audio[..middle], .. Silence(1600), .. sample.Audio[middle..]];
        Recognition.Of(padded, Recogniser.Shipped).Text.ShouldBe(sample.Text);
    }

    [Fact]
    public void Half_a_sample_is_half_its_words()
    {
        var bill = SampleLibrary.Shipped["bill-en"];
        var words = bill.Text.Split(' ');
        var half = bill.Audio.Length / 2;

        var first = Recognition.Of(bill.Audio.AsSpan()[..half], Recogniser.Shipped).Text;
        var second = Recognition.Of(bill.Audio.AsSpan()[half..], Recogniser.Shipped).Text;

        bill.Text.ShouldStartWith(first);
        bill.Text.ShouldEndWith(second);
        (first.Split(' ').Length + second.Split(' ').Length).ShouldBeInRange(words.Length - 1, words.Length + 1);
    }

    [Fact]
    public void Two_samples_in_one_turn_are_both_heard() =>
        Recognition.Of(
            [.. SampleLibrary.Shipped["yes-en"].Audio, .. Silence(800), .. SampleLibrary.Shipped["thanks-es"].Audio], Recogniser.Shipped)
            .Text.ShouldBe("Yes, please. Muchas gracias, me ayudó mucho. Adiós.");

    [Fact]
    public void Noise_is_not_words()
    {
        var noise = new byte[40_000];
        new Random(3).NextBytes(noise);
        Recognition.Of(noise, Recogniser.Shipped).ShouldSatisfyAllConditions(r => r.Text.ShouldBe(""), r => r.Language.ShouldBeNull());
    }

    [Theory]
    [MemberData(nameof(EveryCallerSample))]
    public void Every_line_of_a_caller_is_one_turn(string id)
    {
        var sample = SampleLibrary.Shipped[id];
        var edges = new VoiceActivity().Feed((byte[])[.. Silence(4000), .. sample.Audio, .. Silence(8000)]).ToList();

        edges.Select(edge => edge.Started).ShouldBe([true, false]);
        (edges[1].Position - 4000).ShouldBeInRange(sample.Audio.Length - 1600, sample.Audio.Length + 4400);
    }

    static byte[] Silence(int bytes) => [.. Enumerable.Repeat(MuLaw.Silence, bytes)];
}
