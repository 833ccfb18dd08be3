using Guru.Sandbox.Audio;
using Shouldly;

namespace Guru.Sandbox.Tests.Audio;

public sealed class Coding
{
    [Fact]
    public void Every_mu_law_code_survives_a_round_trip()
    {
        for (var code = 0; code < 256; code++)
        {
            // Minus zero is written as zero.
            MuLaw.Encode(MuLaw.Decode((byte)code)).ShouldBe(code == 0x7F ? MuLaw.Silence : (byte)code);
        }
    }

    [Fact]
    public void Speech_at_24_kHz_can_be_read_back()
    {
        var audio = SampleLibrary.Shipped["yes-en"].Audio.AsSpan();
        var back = MuLaw.FromPcm(MuLaw.ToPcm24k(audio), 24000);
        back.Length.ShouldBe(audio.Length);
        for (var i = 0; i < back.Length; i++)
        {
            MuLaw.Decode(back[i]).ShouldBe(MuLaw.Decode(audio[i]));
        }
    }

    [Fact]
    public void A_stereo_file_holds_both_sides()
    {
        var file = Wav.Stereo([0x00, 0x80], [0xFF]);
        file.Length.ShouldBe(44 + 8);
        BitConverter.ToInt16(file, 44).ShouldBe(MuLaw.Decode(0x00));
        BitConverter.ToInt16(file, 48).ShouldBe(MuLaw.Decode(0x80));
        BitConverter.ToInt16(file, 50).ShouldBe((short)0);
    }
}
