using System.Buffers;
using System.Buffers.Binary;
using System.Runtime.InteropServices;
using System.Text;
using Guru.Infrastructure.Sockets;
using Shouldly;

namespace Guru.Infrastructure.Tests.Sockets;

public sealed class AFrameReader
{
    private const int Most = 1000;

    public static TheoryData<string, byte[]> Broken() => new()
    {
        { "a reserved bit", [0xC1, 0x80, 0, 0, 0, 0] },
        { "an opcode that nothing has", [0x83, 0x80, 0, 0, 0, 0] },
        { "a control opcode that nothing has", [0x8B, 0x80, 0, 0, 0, 0] },
        { "a client's frame without a mask", [0x81, 0x00] },
        { "a ping in fragments", [0x09, 0x80, 0, 0, 0, 0] },
        { "a ping of 126 bytes", [0x89, 0xFE, 0, 126, 0, 0, 0, 0] },
        { "a continuation of nothing", [0x80, 0x80, 0, 0, 0, 0] },
        { "a message within a message", [0x01, 0x80, 0, 0, 0, 0, 0x81, 0x80, 0, 0, 0, 0] },
        { "half a letter", [0x81, 0x81, 0, 0, 0, 0, 0xC3] },
        { "a negative length", [0x81, 0xFF, 0xFF, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0] },
    };

    [Theory]
    [MemberData(nameof(Broken))]
    public void Refuses(string what, byte[] frames)
    {
        var reader = new FrameReader(fromServer: false, Most);
        Fill(reader, frames);

        reader.Next(out _).ShouldBe(FrameKind.Broken, what);
    }

    [Fact]
    public void Refuses_a_servers_frame_with_a_mask()
    {
        var reader = new FrameReader(fromServer: true, Most);
        Fill(reader, Frame(Opcode.Text, final: true, "{}"u8.ToArray(), maskKey: 7));

        reader.Next(out _).ShouldBe(FrameKind.Broken);
    }

    [Theory]
    [InlineData(Most, false)]
    [InlineData(Most + 1, true)]
    public void Knows_from_its_head_that_a_message_is_too_long(int bytes, bool tooLong)
    {
        var frame = Frame(Opcode.Text, final: true, Encoding.ASCII.GetBytes(new string('x', bytes)), maskKey: 7);
        var reader = new FrameReader(fromServer: false, Most);
        Fill(reader, tooLong ? frame.AsSpan(0, 8) : frame);

        reader.Next(out _).ShouldBe(tooLong ? FrameKind.TooBig : FrameKind.Text);
    }

    [Fact]
    public void Counts_fragments_together()
    {
        var reader = new FrameReader(fromServer: false, Most);
        Fill(reader, [.. Frame(Opcode.Text, final: false, new byte[Most], maskKey: 7), .. Frame(Opcode.Continuation, final: true, new byte[1], maskKey: 7)]);

        reader.Next(out _).ShouldBe(FrameKind.TooBig);
    }

    [Theory]
    [InlineData(0x80000000_00000000UL)]
    [InlineData(0x7FFFFFFF_FFFFFFFFUL)]
    [InlineData(0x00000001_00000000UL)]
    public void Takes_no_memory_for_what_a_head_only_claims(ulong length)
    {
        var frame = new byte[14];
        (frame[0], frame[1]) = (0x81, 0xFF);
        BinaryPrimitives.WriteUInt64BigEndian(frame.AsSpan(2), length);
        var reader = new FrameReader(fromServer: false, Most);
        Fill(reader, frame);

        reader.Next(out _).ShouldBeOneOf(FrameKind.Broken, FrameKind.TooBig);
        reader.Room().Length.ShouldBeLessThan(16 * 1024);
    }

    [Theory]
    [InlineData(0x7FFFFFFF_FFFFFFFFUL)]
    [InlineData(0x7FFFFFFF_FFFFFFCDUL)]
    [InlineData(0x7FFFFFFF_FFFFFF00UL)]
    public void Knows_a_fragment_that_is_too_long_whatever_came_before_it(ulong length)
    {
        var claim = new byte[14];
        (claim[0], claim[1]) = (0x80, 0xFF);
        BinaryPrimitives.WriteUInt64BigEndian(claim.AsSpan(2), length);
        var reader = new FrameReader(fromServer: false, Most);
        Fill(reader, [.. Frame(Opcode.Text, final: false, new byte[100], maskKey: 7), .. claim]);

        reader.Next(out _).ShouldBe(FrameKind.TooBig);
    }

    /// <summary>Against a list of what was sent: messages of every length in any fragments, with pings between them, in pieces of any size.</summary>
    [Theory]
    [InlineData(1, true)]
    [InlineData(2, true)]
    [InlineData(3, false)]
    [InlineData(4, false)]
    public void Finds_every_message_however_it_is_cut(int seed, bool fromServer)
    {
        var random = new Random(seed);
        var (sent, wire) = (new List<(FrameKind, string)>(), new List<byte>());
        for (var number = 0; number < 400; number++)
        {
            var text = new string((char)random.Next('a', 'z' + 1), random.Next(4) == 0 ? random.Next(70_000) : random.Next(300));
            AddMessage(wire, text, random, fromServer, sent);
            sent.Add((FrameKind.Text, text));
        }

        var reader = new FrameReader(fromServer, 100_000);
        var read = new List<(FrameKind, string)>();
        for (var at = 0; at < wire.Count;)
        {
            var bytes = Math.Min(wire.Count - at, random.Next(1, random.Next(2) == 0 ? 20 : 5000));
            Fill(reader, [.. wire.GetRange(at, bytes)]);
            at += bytes;
            while (reader.Next(out var payload) is not FrameKind.None and var kind)
            {
                read.Add((kind, Encoding.ASCII.GetString(payload.Span)));
            }
        }

        read.ShouldBe(sent);
    }

    [Fact]
    public void Gives_the_buffer_of_a_long_message_in_fragments_back_as_soon_as_it_was_read()
    {
        var reader = new FrameReader(fromServer: true, 1_000_000);
        Fill(reader, [.. Frame(Opcode.Text, final: false, new byte[300_000], maskKey: null), .. Frame(Opcode.Continuation, final: true, new byte[300_000], maskKey: null)]);
        reader.Next(out var message).ShouldBe(FrameKind.Text);
        MemoryMarshal.TryGetArray(message, out var joined).ShouldBeTrue();
        reader.Next(out _).ShouldBe(FrameKind.None);

        ArrayPool<byte>.Shared.Rent(joined.Array!.Length).ShouldBeSameAs(joined.Array);
    }

    [Theory]
    [InlineData(11)]
    [InlineData(12)]
    public void Says_something_of_any_bytes_and_never_throws(int seed)
    {
        var random = new Random(seed);
        for (var round = 0; round < 20_000; round++)
        {
            var reader = new FrameReader(fromServer: random.Next(2) == 0, Most);
            var bytes = new byte[random.Next(40)];
            random.NextBytes(bytes);
            Fill(reader, bytes);
            for (var frames = 0; reader.Next(out var payload) is not (FrameKind.None or FrameKind.Broken or FrameKind.TooBig); frames++)
            {
                payload.Length.ShouldBeLessThanOrEqualTo(bytes.Length);
                frames.ShouldBeLessThan(bytes.Length);
            }

            reader.Release();
        }
    }

    private static void AddMessage(List<byte> wire, string text, Random random, bool fromServer, List<(FrameKind, string)> sent)
    {
        var bytes = Encoding.ASCII.GetBytes(text);
        var opcode = Opcode.Text;
        for (var at = 0; ;)
        {
            var part = random.Next(3) == 0 ? random.Next(bytes.Length - at + 1) : bytes.Length - at;
            var final = at + part == bytes.Length && random.Next(4) > 0;
            wire.AddRange(Frame(opcode, final, bytes[at..(at + part)], fromServer ? null : (uint)random.Next()));
            if (final)
            {
                return;
            }

            if (random.Next(5) == 0)
            {
                wire.AddRange(Frame(Opcode.Ping, final: true, "ping"u8.ToArray(), fromServer ? null : (uint)random.Next()));
                sent.Add((FrameKind.Ping, "ping"));
            }

            at += part;
            opcode = Opcode.Continuation;
        }
    }

    private static byte[] Frame(Opcode opcode, bool final, byte[] payload, uint? maskKey)
    {
        var frame = new byte[FrameHead.BytesFor(payload.Length, maskKey is not null) + payload.Length];
        var head = frame.AsSpan(0, frame.Length - payload.Length);
        FrameHead.Write(head, opcode, payload.Length, maskKey is not null, maskKey ?? 0);
        if (!final)
        {
            head[0] &= 0x7F;
        }

        payload.CopyTo(frame.AsSpan(head.Length));
        if (maskKey is { } key)
        {
            FrameHead.Mask(frame.AsSpan(head.Length), key);
        }

        return frame;
    }

    private static void Fill(FrameReader reader, ReadOnlySpan<byte> bytes)
    {
        while (!bytes.IsEmpty)
        {
            var room = reader.Room();
            var part = Math.Min(room.Length, bytes.Length);
            bytes[..part].CopyTo(room.Span);
            reader.Filled(part);
            bytes = bytes[part..];
        }
    }
}
