using System.Security.Cryptography;
using System.Text;
using Guru.Application.Recordings;
using Guru.Domain.Callers;
using Guru.Domain.Calls;
using Guru.Infrastructure.Recordings;
using Guru.Infrastructure.Tests.Postgres;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Options;
using Shouldly;

namespace Guru.Infrastructure.Tests.Recordings;

[Collection(PostgresCollection.Name)]
public sealed class RecordingFilesTests(PostgresFixture postgres) : IAsyncLifetime
{
    private static readonly CallerId Caller = CallerId.Of(CallerAddress.Parse("+15550001111"), "secret"u8);
    private static readonly CallSid Call = CallSid.Parse("CA00000000000000000000000000000001");
    private static readonly CallSid Another = CallSid.Parse("CA00000000000000000000000000000002");
    private readonly TemporaryDirectory _folder = new();
    private readonly RecordingSettings _settings = new() { Enabled = true };
    private TestDatabase _database = null!;
    private RecordingFiles _files = null!;

    public async Task InitializeAsync()
    {
        _database = await TestDatabase.NewAsync(postgres);
        _settings.Path = _folder.Path;
        _files = new RecordingFiles(Options.Create(_settings), _database.Keys, TimeProvider.System, NullLogger<RecordingFiles>.Instance);
    }

    public async Task DisposeAsync()
    {
        _folder.Dispose();
        await _database.DisposeAsync();
    }

    [Fact]
    public async Task A_recording_comes_back_as_a_wav_file_whose_every_byte_can_be_sought()
    {
        var sound = RandomNumberGenerator.GetBytes(56_790);
        await StoreAsync(Call, "MZ1", startMs: 0, sound);

        var recording = (await _files.OpenAsync(Call, CancellationToken.None)).ShouldNotBeNull();

        await using var wav = recording.Sound;
        var file = ReadAll(wav);
        file.Length.ShouldBe(58 + sound.Length);
        Encoding.ASCII.GetString(file, 0, 4).ShouldBe("RIFF");
        BitConverter.ToUInt32(file, 4).ShouldBe((uint)file.Length - 8);
        Encoding.ASCII.GetString(file, 8, 8).ShouldBe("WAVEfmt ");
        BitConverter.ToUInt16(file, 20).ShouldBe((ushort)7);
        BitConverter.ToUInt16(file, 22).ShouldBe((ushort)2);
        BitConverter.ToUInt32(file, 24).ShouldBe(8000u);
        BitConverter.ToUInt32(file, 46).ShouldBe((uint)sound.Length / 2);
        BitConverter.ToUInt32(file, 54).ShouldBe((uint)sound.Length);
        file[58..].ShouldBe(sound);
        recording.Bytes.ShouldBe(new FileInfo(Directory.GetFiles(_folder.Path, "*", SearchOption.AllDirectories).Single()).Length);

        foreach (var at in new[] { 0, 30, 57, 58, 16_057, 16_058, 40_000, file.Length - 1 })
        {
            wav.Position = at;
            var some = new byte[Math.Min(20_000, file.Length - at)];
            wav.ReadExactly(some);
            some.ShouldBe(file[at..(at + some.Length)]);
        }

        wav.Position = file.Length + 10;
        wav.Read(new byte[10]).ShouldBe(0);
    }

    [Fact]
    public async Task The_streams_of_a_call_are_joined_on_its_clock_with_silence_between_them()
    {
        var (first, second) = (RandomNumberGenerator.GetBytes(1600), RandomNumberGenerator.GetBytes(3200));
        await StoreAsync(Call, "MZ2", startMs: 500, second);
        await StoreAsync(Call, "MZ1", startMs: 20, first);

        var wav = (await _files.OpenAsync(Call, CancellationToken.None))!.Sound;

        var sound = ReadAll(wav)[58..];
        await wav.DisposeAsync();
        sound.Length.ShouldBe((500 * 16) + 3200);
        sound[..320].ShouldAllBe(sample => sample == 0xFF);
        sound[320..1920].ShouldBe(first);
        sound[1920..8000].ShouldAllBe(sample => sample == 0xFF);
        sound[8000..].ShouldBe(second);
    }

    [Fact]
    public async Task Nothing_lies_open_on_the_disk_and_who_destroys_the_key_has_destroyed_the_recording()
    {
        await StoreAsync(Call, "MZ1", 0, Encoding.ASCII.GetBytes(string.Concat(Enumerable.Repeat("canary ", 4000))));
        var file = Directory.GetFiles(_folder.Path, "*", SearchOption.AllDirectories).Single();
        Encoding.Latin1.GetString(await File.ReadAllBytesAsync(file)).ShouldNotContain("canary");
        File.GetUnixFileMode(file).ShouldBe(UnixFileMode.UserRead | UnixFileMode.UserWrite);

        await _database.ExecuteAsync("delete from guru_keys.keys where kind = 'recording'");
        _database.Keys.Forget();

        (await _files.OpenAsync(Call, CancellationToken.None)).ShouldBeNull();
    }

    [Fact]
    public async Task A_second_that_was_moved_or_changed_is_not_played()
    {
        await StoreAsync(Call, "MZ1", 0, RandomNumberGenerator.GetBytes(48_000));
        var path = Directory.GetFiles(_folder.Path, "*", SearchOption.AllDirectories).Single();
        var bytes = await File.ReadAllBytesAsync(path);
        var first = bytes[40..(40 + 16_028)];
        bytes.AsSpan(40 + 16_028, 16_028).CopyTo(bytes.AsSpan(40));
        first.CopyTo(bytes, 40 + 16_028);
        await File.WriteAllBytesAsync(path, bytes);

        await using var wav = (await _files.OpenAsync(Call, CancellationToken.None))!.Sound;

        Should.Throw<CryptographicException>(() => ReadAll(wav));
    }

    [Fact]
    public async Task A_part_that_is_given_up_leaves_nothing()
    {
        await using (var part = await _files.BeginAsync(Stream(Call, "MZ1", 0), CancellationToken.None))
        {
            await part.WriteAsync(new byte[16_000], CancellationToken.None);
        }

        Directory.GetFiles(_folder.Path, "*", SearchOption.AllDirectories).ShouldBeEmpty();
        (await _files.OpenAsync(Call, CancellationToken.None)).ShouldBeNull();
    }

    [Fact]
    public async Task Erasing_deletes_the_recordings_of_those_calls_and_no_others_and_can_be_asked_again()
    {
        await StoreAsync(Call, "MZ1", 0, new byte[1600]);
        await StoreAsync(Another, "MZ2", 0, new byte[1600]);

        await _files.EraseAsync(new(Caller, DateTimeOffset.UtcNow), [Call.Value, "../../etc"], CancellationToken.None);
        await _files.EraseAsync(new(Caller, DateTimeOffset.UtcNow), [Call.Value], CancellationToken.None);

        (await _files.OpenAsync(Call, CancellationToken.None)).ShouldBeNull();
        var kept = (await _files.OpenAsync(Another, CancellationToken.None)).ShouldNotBeNull();
        await kept.Sound.DisposeAsync();
    }

    [Fact]
    public async Task What_is_too_old_or_too_much_goes_the_oldest_first_and_so_do_the_drafts_of_a_dead_node()
    {
        _settings.MostGigabytes = 0.00005;
        await StoreAsync(Call, "MZ1", 0, new byte[30_000]);
        Age(Call, TimeSpan.FromDays(2));
        await StoreAsync(Another, "MZ2", 0, new byte[30_000]);
        var draft = Path.Combine(_folder.Path, Another.Value, "MZ9.draft");
        await File.WriteAllBytesAsync(draft, new byte[10]);
        File.SetLastWriteTimeUtc(draft, DateTime.UtcNow.AddHours(-7));

        _files.Sweep();

        File.Exists(draft).ShouldBeFalse();
        (await _files.OpenAsync(Call, CancellationToken.None)).ShouldBeNull();
        var kept = (await _files.OpenAsync(Another, CancellationToken.None)).ShouldNotBeNull();
        await kept.Sound.DisposeAsync();

        Age(Another, TimeSpan.FromDays(31));
        _files.Sweep();
        (await _files.OpenAsync(Another, CancellationToken.None)).ShouldBeNull();
    }

    [Fact]
    public async Task The_folder_of_a_call_of_which_nothing_was_kept_goes_when_it_is_too_old()
    {
        await (await _files.BeginAsync(Stream(Call, "MZ1", 0), CancellationToken.None)).DisposeAsync();
        var folder = Directory.GetDirectories(_folder.Path).ShouldHaveSingleItem();

        _files.Sweep();
        Directory.Exists(folder).ShouldBeTrue();
        Directory.SetLastWriteTimeUtc(folder, DateTime.UtcNow.AddDays(-31));
        _files.Sweep();

        Directory.Exists(folder).ShouldBeFalse();
    }

    [Fact]
    public async Task A_recording_that_could_not_be_opened_is_not_held_open()
    {
        await StoreAsync(Call, "MZ1", 0, new byte[1600]);

        await Should.ThrowAsync<OperationCanceledException>(() => _files.OpenAsync(Call, new CancellationToken(canceled: true)));

        var path = Directory.GetFiles(_folder.Path, "*", SearchOption.AllDirectories).ShouldHaveSingleItem();
        await using var alone = new FileStream(path, FileMode.Open, FileAccess.ReadWrite, FileShare.None);
    }

    [Fact]
    public async Task A_stream_id_that_is_no_name_stays_within_the_folder()
    {
        await StoreAsync(Call, "../../../MZ1", 0, new byte[1600]);

        Directory.GetFiles(_folder.Path, "*", SearchOption.AllDirectories).ShouldHaveSingleItem().ShouldStartWith(Path.Combine(_folder.Path, Call.Value));
        var recording = (await _files.OpenAsync(Call, CancellationToken.None)).ShouldNotBeNull();
        await recording.Sound.DisposeAsync();
    }

    private static RecordedStream Stream(CallSid callSid, string streamSid, long startMs) => new(callSid, Caller, streamSid, DateTimeOffset.UnixEpoch, startMs);

    private static byte[] ReadAll(Stream wav)
    {
        using var all = new MemoryStream();
        wav.Position = 0;
        wav.CopyTo(all);
        return all.ToArray();
    }

    private void Age(CallSid callSid, TimeSpan by)
    {
        foreach (var file in Directory.GetFiles(Path.Combine(_folder.Path, callSid.Value)))
        {
            File.SetLastWriteTimeUtc(file, DateTime.UtcNow - by);
        }
    }

    private async Task StoreAsync(CallSid callSid, string streamSid, long startMs, byte[] sound)
    {
        await using var part = await _files.BeginAsync(Stream(callSid, streamSid, startMs), CancellationToken.None);
        for (var at = 0; at < sound.Length; at += 16_000)
        {
            await part.WriteAsync(sound.AsMemory(at, Math.Min(16_000, sound.Length - at)), CancellationToken.None);
        }

        await part.CompleteAsync(CancellationToken.None);
    }
}
