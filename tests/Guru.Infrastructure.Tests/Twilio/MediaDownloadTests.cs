using System.Net;
using Guru.Application.Conversations;
using Guru.Infrastructure.Tests.Sockets;
using Guru.Infrastructure.Twilio;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging.Abstractions;
using Shouldly;

namespace Guru.Infrastructure.Tests.Twilio;

public sealed class FetchingAMedium
{
    private const string Path = "/2010-04-01/Accounts/AC00000000000000000000000000000001/Messages/SM3/Media/ME5";
    private const long Most = 1024 * 1024;

    private static readonly byte[] VoiceNote = [0x4f, 0x67, 0x67, 0x53, 0, 2, 0xff];

    [Theory]
    [InlineData(301)]
    [InlineData(302)]
    [InlineData(303)]
    [InlineData(307)]
    [InlineData(308)]
    public async Task Shows_the_credentials_to_Twilio_and_not_where_it_leads(int status)
    {
        await using var elsewhere = await ScriptedServer.StartAsync(Ogg(VoiceNote));
        await using var server = await ScriptedServer.StartAsync(Answers.Redirect(new Uri(elsewhere.Address, "/signed?Signature=a%2Fb"), status));
        using var twilio = Messengers.Of(server);

        var media = await twilio.DownloadAsync(new Uri(server.Address, Path), Most, default);

        media.ContentType.ShouldBe("audio/ogg");
        media.Content.ToArray().ShouldBe(VoiceNote);
        var first = server.Asked.ShouldHaveSingleItem();
        (first.Method, first.Target).ShouldBe(("GET", Path));
        first.Authorization.ShouldNotBeNull();
        var second = elsewhere.Asked.ShouldHaveSingleItem();
        (second.Method, second.Target).ShouldBe(("GET", "/signed?Signature=a%2Fb"));
        second.Authorization.ShouldBeNull();
    }

    [Fact]
    public async Task Shows_the_credentials_once_even_where_the_second_hop_is_the_same_host()
    {
        await using var server = await ScriptedServer.StartAsync(Answers.Redirect(new Uri("/signed", UriKind.Relative)), Ogg(VoiceNote));
        using var twilio = Messengers.Of(server);

        await twilio.DownloadAsync(new Uri(server.Address, Path), Most, default);

        server.Asked.Select(asked => (asked.Target, asked.Authorization is not null)).ShouldBe([(Path, true), ("/signed", false)]);
    }

    [Fact]
    public async Task Takes_a_medium_that_comes_at_once()
    {
        await using var server = await ScriptedServer.StartAsync(Ogg(VoiceNote));
        using var twilio = Messengers.Of(server);

        (await twilio.DownloadAsync(new Uri(server.Address, Path), VoiceNote.Length, default)).Content.Length.ShouldBe(VoiceNote.Length);
    }

    [Theory]
    [InlineData("audio/ogg; codecs=opus", "audio/ogg")]
    [InlineData("Image/JPEG", "image/jpeg")]
    [InlineData(null, "application/octet-stream")]
    [InlineData("nonsense", "application/octet-stream")]
    public async Task Tells_the_media_type_alone(string? contentType, string told)
    {
        await using var server = await ScriptedServer.StartAsync(Answers.Of(200, contentType, VoiceNote));
        using var twilio = Messengers.Of(server);

        (await twilio.DownloadAsync(new Uri(server.Address, Path), Most, default)).ContentType.ShouldBe(told);
    }

    [Fact]
    public async Task Asks_the_stand_in_that_stands_for_Twilios_hosts()
    {
        await using var server = await ScriptedServer.StartAsync(Ogg(VoiceNote));
        using var twilio = Messengers.Of(server);

        await twilio.DownloadAsync(new Uri("https://api.twilio.com" + Path), Most, default);

        server.Asked.ShouldHaveSingleItem().Target.ShouldBe(Path);
    }

    [Theory]
    [InlineData("https://api.twilio.com.example.org/Media/ME5")]
    [InlineData("https://example.org/?api.twilio.com")]
    [InlineData("https://media.twiliocdn.com/ME5")]
    [InlineData("http://api.twilio.com/Media/ME5")]
    [InlineData("https://api.twilio.com:8443/Media/ME5")]
    [InlineData("https://someone@api.twilio.com/Media/ME5")]
    [InlineData("ftp://api.twilio.com/Media/ME5")]
    [InlineData("file:///etc/passwd")]
    [InlineData("https://127.0.0.1:1/Media/ME5")]
    public async Task Asks_nobody_for_a_foreign_address(string url)
    {
        await using var server = await ScriptedServer.StartAsync(Ogg(VoiceNote));
        using var twilio = Messengers.Of(server);

        var refusal = await Should.ThrowAsync<MessengerException>(() => twilio.DownloadAsync(new Uri(url), Most, default));

        (refusal.Code, refusal.Transient, refusal.Unknown).ShouldBe((null, false, false));
        server.Asked.ShouldBeEmpty();
    }

    [Fact]
    public async Task Refuses_one_that_announces_more_than_allowed()
    {
        await using var server = await ScriptedServer.StartAsync(Ogg(VoiceNote));
        using var twilio = Messengers.Of(server);

        var refusal = await Should.ThrowAsync<MessengerException>(() => twilio.DownloadAsync(new Uri(server.Address, Path), VoiceNote.Length - 1, default));

        (refusal.Code, refusal.Transient).ShouldBe((413, false));
        server.Asked.Count.ShouldBe(1);
    }

    [Fact]
    public async Task Stops_reading_one_that_goes_on_without_end()
    {
        await using var elsewhere = await ScriptedServer.StartAsync(Answers.Endless);
        await using var server = await ScriptedServer.StartAsync(Answers.Redirect(elsewhere.Address));
        using var twilio = Messengers.Of(server);

        var refusal = await Should.ThrowAsync<MessengerException>(() =>
            twilio.DownloadAsync(new Uri(server.Address, Path), Most, default).WaitAsync(RawSockets.Patience));

        (refusal.Code, refusal.Transient).ShouldBe((413, false));
    }

    [Theory]
    [InlineData(404, 20404)]
    [InlineData(410, null)]
    [InlineData(401, 20003)]
    public async Task Does_not_ask_again_for_what_is_gone(int status, int? code)
    {
        await using var server = await ScriptedServer.StartAsync(code is { } number ? Answers.Json(TwilioJson.Error(number, status), status) : Answers.Html(status));
        using var twilio = Messengers.Of(server);

        var refusal = await Should.ThrowAsync<MessengerException>(() => twilio.DownloadAsync(new Uri(server.Address, Path), Most, default));

        (refusal.Code, refusal.Transient).ShouldBe((code ?? status, false));
        server.Asked.Count.ShouldBe(1);
    }

    [Fact]
    public async Task Begins_again_at_Twilio_when_the_second_hop_fails()
    {
        await using var elsewhere = await ScriptedServer.StartAsync(Answers.Html(503), Answers.Lost, Ogg(VoiceNote));
        await using var server = await ScriptedServer.StartAsync(Answers.Redirect(elsewhere.Address));
        using var twilio = Messengers.Of(server);

        (await twilio.DownloadAsync(new Uri(server.Address, Path), Most, default)).Content.Length.ShouldBe(VoiceNote.Length);

        server.Asked.Count.ShouldBe(3);
        elsewhere.Asked.ShouldAllBe(asked => asked.Authorization == null);
    }

    [Fact]
    public async Task Does_not_take_a_part_for_the_whole()
    {
        await using var server = await ScriptedServer.StartAsync(Answers.CutOff(200), Ogg(VoiceNote));
        using var twilio = Messengers.Of(server);

        (await twilio.DownloadAsync(new Uri(server.Address, Path), Most, default)).Content.ToArray().ShouldBe(VoiceNote);
    }

    [Fact]
    public async Task Gives_up_for_now_when_nothing_comes()
    {
        await using var server = await ScriptedServer.StartAsync(Answers.Never);
        using var twilio = Messengers.Of(server, messenger: Messengers.Impatient with { Repeats = 0 });

        var refusal = await Should.ThrowAsync<MessengerException>(() =>
            twilio.DownloadAsync(new Uri(server.Address, Path), Most, default).WaitAsync(RawSockets.Patience));

        (refusal.Code, refusal.Transient, refusal.Unknown).ShouldBe((null, true, false));
    }

    [Fact]
    public async Task Does_not_follow_in_circles()
    {
        await using var server = await ScriptedServer.StartAsync(Answers.Redirect(new Uri(Path, UriKind.Relative)));
        using var twilio = Messengers.Of(server);

        var refusal = await Should.ThrowAsync<MessengerException>(() => twilio.DownloadAsync(new Uri(server.Address, Path), Most, default));

        (refusal.Code, refusal.Transient).ShouldBe((307, false));
        server.Asked.Count.ShouldBe(4);
    }

    private static Func<HttpContext, Task> Ogg(byte[] content) => Answers.Of(200, "audio/ogg", content);
}

public sealed class BeingLedToAnotherAddress
{
    [Theory]
    [InlineData("https://media.twiliocdn.com/a?b", true)]
    [InlineData("https://s3.amazonaws.com/bucket/ME5", true)]
    [InlineData("https://93.184.216.34/ME5", true)]
    [InlineData("http://media.twiliocdn.com/a", false)]
    [InlineData("https://user:secret@media.twiliocdn.com/a", false)]
    [InlineData("ftp://media.twiliocdn.com/a", false)]
    [InlineData("file:///etc/passwd", false)]
    [InlineData("https://127.0.0.1/a", false)]
    [InlineData("https://2130706433/a", false)]
    [InlineData("https://[::1]/a", false)]
    [InlineData("https://[::ffff:10.0.0.1]/a", false)]
    [InlineData("https://169.254.169.254/latest/meta-data", false)]
    [InlineData("https://192.168.1.1:8443/a", false)]
    public void Is_accepted_over_tls_to_the_public_network(string url, bool accepted) =>
        new TwilioHosts(new Uri("https://api.twilio.com")).MayLeadTo(new Uri(url)).ShouldBe(accepted);

    [Theory]
    [InlineData("http://sandbox.internal:4010", "http://sandbox.internal:4010/signed", true)]
    [InlineData("http://sandbox.internal:4010", "http://sandbox.internal:4011/signed", false)]
    [InlineData("http://127.0.0.1:4010", "http://127.0.0.1:4011/signed", true)]
    public void Is_accepted_within_the_configured_host_and_for_a_stand_in_on_this_machine(string baseUrl, string url, bool accepted) =>
        new TwilioHosts(new Uri(baseUrl)).MayLeadTo(new Uri(url)).ShouldBe(accepted);

    [Theory]
    [InlineData("https://api.twilio.com", "https://api.twilio.com/a", "https://api.twilio.com/a")]
    [InlineData("https://api.twilio.com", "https://api.dublin.ie1.twilio.com/a", "https://api.dublin.ie1.twilio.com/a")]
    [InlineData("https://api.dublin.ie1.twilio.com", "https://api.twilio.com/a", "https://api.twilio.com/a")]
    [InlineData("https://proxy.example.org/twilio", "https://api.twilio.com/a?b=c", "https://proxy.example.org/twilio/a?b=c")]
    [InlineData("https://api.twilio.com", "https://messaging.twilio.com/a", null)]
    [InlineData("https://api.twilio.com", "http://127.0.0.1/a", null)]
    public void Begins_at_an_api_host(string baseUrl, string url, string? address)
    {
        new TwilioHosts(new Uri(baseUrl)).TryMedia(new Uri(url), out var found).ShouldBe(address is not null);

        found?.AbsoluteUri.ShouldBe(address);
    }

    [Fact]
    public async Task Is_refused_when_the_name_turns_out_to_be_private()
    {
        await using var inside = await ScriptedServer.StartAsync(Answers.Empty(200));
        await using var server = await ScriptedServer.StartAsync(Answers.Redirect(new Uri($"https://localhost:{inside.Address.Port}/")));
        var hosts = new TwilioHosts(server.Address) { AreLocal = false };
        using var twilio = new TwilioRest(Messengers.Options, Messengers.Fast, TimeProvider.System, NullLogger.Instance, hosts);

        var refusal = await Should.ThrowAsync<MessengerException>(() => twilio.DownloadAsync(new Uri(server.Address, "/Media/ME5"), 1000, default));

        refusal.InnerException.ShouldBeOfType<PrivateNetworkException>();
        (refusal.Code, refusal.Transient).ShouldBe((null, false));
        server.Asked.Count.ShouldBe(1);
        inside.Asked.ShouldBeEmpty();
    }

    [Theory]
    [InlineData("8.8.8.8", true)]
    [InlineData("172.32.0.1", true)]
    [InlineData("100.128.0.1", true)]
    [InlineData("2606:2800:220:1::1", true)]
    [InlineData("::ffff:8.8.8.8", true)]
    [InlineData("64:ff9b::808:808", true)]
    [InlineData("0.0.0.0", false)]
    [InlineData("10.1.2.3", false)]
    [InlineData("100.64.0.1", false)]
    [InlineData("127.8.8.8", false)]
    [InlineData("169.254.169.254", false)]
    [InlineData("172.16.0.1", false)]
    [InlineData("172.31.255.255", false)]
    [InlineData("192.168.0.1", false)]
    [InlineData("224.0.0.1", false)]
    [InlineData("255.255.255.255", false)]
    [InlineData("::", false)]
    [InlineData("::1", false)]
    [InlineData("::ffff:127.0.0.1", false)]
    [InlineData("64:ff9b::7f00:1", false)]
    [InlineData("2001:0:1::1", false)]
    [InlineData("2002:7f00:1::", false)]
    [InlineData("fc00::1", false)]
    [InlineData("fe80::1", false)]
    [InlineData("ff02::1", false)]
    public void Knows_the_public_network(string address, bool isPublic) => PublicNetwork.Has(IPAddress.Parse(address)).ShouldBe(isPublic);
}
