using System.Net;
using Guru.Application.Voice;
using Guru.Sandbox.Twilio;
using Microsoft.Extensions.DependencyInjection;

namespace Guru.EndToEnd.Tests;

/// <summary>A Guru whose webhooks wait for a database on a busy machine, too: its tests are of something else.</summary>
public sealed class PatientWorld : World
{
    protected override Dictionary<string, string?> Settings => new() { ["Guru:Calls:CommitSeconds"] = "10" };
}

public sealed class HostileLines(PatientWorld world) : IClassFixture<PatientWorld>
{
    private static readonly TimeSpan Beat = TimeSpan.FromMilliseconds(400);

    [Fact]
    public async Task A_line_full_of_rubbish_carries_the_call_all_the_same()
    {
        var call = await world.Twilio.PlaceCallAsync(Calls.Short("visa-en") with
        {
            Line = new LineFaults
            {
                MalformedJson = true, WrongBase64 = true, BinaryFrames = true, ForeignFrames = true, UnknownEvents = true, EscapedSlashes = true,
            },
        });

        var record = await world.RecordOf(call);
        record.ShouldTellOf(call);
        record.EndReason.ShouldBe("callerHungUp");
    }

    [Fact]
    public async Task A_second_stream_with_the_same_token_is_refused_and_the_first_goes_on()
    {
        var call = await world.Twilio.PlaceCallAsync(Calls.Short() with { Line = new LineFaults { SecondStream = true } });

        var record = await world.RecordOf(call);
        record.ShouldTellOf(call);
        record.EventTypes.Count(type => type == "MediaStreamConnected").ShouldBe(1);
    }

    [Fact]
    public async Task A_stream_without_a_start_is_closed_and_the_call_is_told_what_is_wrong()
    {
        var call = await world.Twilio.PlaceCallAsync(new CallOptions { Line = new LineFaults { NoStart = true }, AtMost = TimeSpan.FromSeconds(40) });

        var record = await world.RecordOf(call);
        record.ShouldTellOf(call);
        record.EventTypes.ShouldNotContain("MediaStreamConnected");
        record.EventTypes.Count(type => type == "MediaStreamRequested").ShouldBe(3);
        record.EndReason.ShouldBe("streamLost");
        call.Events.Of<SentenceSaid>().ShouldNotBeEmpty();
    }

    [Fact]
    public async Task A_lost_stream_has_one_in_its_place_though_the_action_URL_is_asked_twice_at_once()
    {
        var sessions = world.OpenAI.Sessions.Entries.Count;
        var call = await world.Twilio.PlaceCallAsync(new CallOptions
        {
            Script = [new CallerTurn(new AgentSpeaking(TimeSpan.FromSeconds(2)), new LoseStream()), new CallerTurn(new AgentFinished(Beat), new Guru.Sandbox.Twilio.HangUp())],
            Webhooks = new WebhookFaults { DuplicateAction = true },
        });

        var record = await world.RecordOf(call);
        record.ShouldTellOfABrokenAnswer(call);
        record.EventTypes.Count(type => type == "MediaStreamRequested").ShouldBe(1);
        record.EventTypes.Count(type => type == "CallResumed").ShouldBe(1);
        (world.OpenAI.Sessions.Entries.Count - sessions).ShouldBe(2);
    }

    [Fact]
    public async Task Webhooks_delivered_twice_and_statuses_out_of_order_make_one_record()
    {
        var call = await world.Twilio.PlaceCallAsync(Calls.Greeted with
        {
            Webhooks = new WebhookFaults { DuplicateWebhook = true, DuplicateStatus = true, EarlyStatus = true, ShuffledStatus = true },
        });

        var record = await world.RecordOf(call);
        record.ShouldTellOfABrokenAnswer(call);
        record.EventTypes.Count(type => type == "CallStarted").ShouldBe(1);
        record.EventTypes.Count(type => type == "MediaStreamConnected").ShouldBe(1);
        record.Call.GetProperty("status").GetString().ShouldBe("completed");
    }

    [Theory]
    [InlineData(CallOutcome.Busy, "busy")]
    [InlineData(CallOutcome.NoAnswer, "noAnswer")]
    [InlineData(CallOutcome.Failed, "failed")]
    [InlineData(CallOutcome.Canceled, "canceled")]
    public async Task A_call_that_never_connects_ends_in_the_record_too(CallOutcome outcome, string reason)
    {
        var call = await world.Twilio.PlaceCallAsync(new CallOptions { Outcome = outcome });

        var record = await world.RecordOf(call);
        record.ShouldTellOf(call);
        record.EndReason.ShouldBe(reason);
        record.Call.GetProperty("status").GetString().ShouldBe(reason);
        record.Call.GetProperty("endedAt").GetString().ShouldNotBeNull();
        world.Guru.App.Services.GetRequiredService<Switchboard>().ActiveCalls.ShouldBe(0);
    }

    [Theory]
    [InlineData("/api/whatsapp/voice/webhook")]
    [InlineData("/api/whatsapp/voice/status")]
    [InlineData("/api/whatsapp/voice/continue")]
    public async Task What_Twilio_has_not_signed_is_refused_with_a_problem(string path)
    {
        using var form = new FormUrlEncodedContent([KeyValuePair.Create("CallSid", "CA00000000000000000000000000000002")]);
        form.Headers.Add("X-Twilio-Signature", "YLiE2Q4vY6RQ7URDuA9og+XsubI=");

        using var response = await world.Analyst.PostAsync(path, form);

        response.StatusCode.ShouldBe(HttpStatusCode.Forbidden);
        response.Content.Headers.ContentType!.MediaType.ShouldBe("application/problem+json");
    }

    [Fact]
    public async Task An_upgrade_that_is_not_signed_is_refused_before_the_socket_opens()
    {
        using var socket = new System.Net.WebSockets.ClientWebSocket { Options = { CollectHttpResponseDetails = true } };
        var address = new Uri($"ws://{world.Analyst.BaseAddress!.Authority}/api/whatsapp/voice/stream");

        await Should.ThrowAsync<System.Net.WebSockets.WebSocketException>(socket.ConnectAsync(address, CancellationToken.None));

        socket.HttpStatusCode.ShouldBe(HttpStatusCode.Forbidden);
    }
}
