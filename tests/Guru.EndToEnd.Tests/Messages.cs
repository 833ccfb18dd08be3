using System.Text.Json;
using Guru.Sandbox.Twilio;

namespace Guru.EndToEnd.Tests;

/// <summary>Texts, voice notes and calls are one conversation.</summary>
public sealed class Messages(World world) : IClassFixture<World>
{
    [Fact]
    public async Task Who_writes_about_a_bill_and_then_calls_is_greeted_by_the_healthcare_agent_who_knows_of_it_and_a_text_after_the_call_goes_on()
    {
        const string Caller = "whatsapp:+15550100001";
        await world.Twilio.WriteAsync(InboundMessage.Text("I got a bill from the hospital.") with { From = Caller });
        var reply = await world.Twilio.WaitForMessageAsync(Caller, _ => true);
        reply.Body.ShouldNotBeNullOrWhiteSpace();

        var call = await world.Twilio.PlaceCallAsync(Calls.Short("yes-en") with { From = Caller });
        var record = await world.RecordOf(call);
        record.Call.GetProperty("agent").GetString().ShouldBe("healthcare");
        call.Heard[0].Sample.Id.ShouldStartWith("greeting-bill");
        var summary = await world.Twilio.WaitForMessageAsync(Caller, message => message.Body == "We talked about this: Yes, please.");
        await TimelineAsync(Caller, entries: 6);

        await world.Twilio.WriteAsync(InboundMessage.Text("Thank you!") with { From = Caller });
        await world.Twilio.WaitForMessageAsync(Caller, message => message.Sid != reply.Sid && message.Sid != summary.Sid);
        var timeline = await TimelineAsync(Caller, entries: 8);
        timeline.Select(entry => $"{entry.GetProperty("channel").GetString()} {entry.GetProperty("speaker").GetString()}").ShouldBe(
            ["whatsapp caller", "whatsapp agent", "call agent", "call caller", "call agent", "whatsapp agent", "whatsapp caller", "whatsapp agent"]);
    }

    [Fact]
    public async Task A_message_delivered_twice_is_answered_once()
    {
        const string Caller = "whatsapp:+15550100002";
        var written = await world.Twilio.WriteAsync(InboundMessage.Text("My visa ends soon.") with { From = Caller });
        await world.Twilio.RedeliverAsync(written);
        await world.Twilio.WaitForMessageAsync(Caller, _ => true);
        await world.Twilio.WriteAsync(InboundMessage.Text("And now?") with { From = Caller });
        await world.Twilio.WaitForMessageAsync(Caller, message => world.Twilio.Rest.Messages.Entries.Count(sent => sent.To == Caller) == 2);

        (await TimelineAsync(Caller, entries: 4)).Count.ShouldBe(4);
    }

    [Fact]
    public async Task Five_messages_in_a_burst_are_answered_in_one_go()
    {
        const string Caller = "whatsapp:+15550100003";
        await world.Twilio.WriteBurstAsync(
            [.. new[] { "Hello", "I have a question", "about", "my rent", "Can you help?" }.Select(text => InboundMessage.Text(text) with { From = Caller })]);
        await world.Twilio.WaitForMessageAsync(Caller, _ => true);
        await world.Twilio.WriteAsync(InboundMessage.Text("Thanks") with { From = Caller });
        await world.Twilio.WaitForMessageAsync(Caller, _ => world.Twilio.Rest.Messages.Entries.Count(sent => sent.To == Caller) >= 2);

        var timeline = await TimelineAsync(Caller, entries: 8);
        timeline.Count(entry => entry.GetProperty("speaker").GetString() == "agent").ShouldBe(2);
        timeline.Count.ShouldBe(8);
    }

    [Fact]
    public async Task A_voice_note_in_Spanish_is_written_down_and_the_call_after_it_is_greeted_in_Spanish()
    {
        const string Caller = "whatsapp:+15550100004";
        await world.Twilio.WriteAsync(InboundMessage.VoiceNote("bill-es") with { From = Caller });
        await world.Twilio.WaitForMessageAsync(Caller, _ => true);
        (await TimelineAsync(Caller))[0].GetProperty("text").GetString().ShouldStartWith("Hola, recibí una factura del hospital");

        var call = await world.Twilio.PlaceCallAsync(Calls.Greeted with { From = Caller });
        await world.RecordOf(call);
        call.Heard[0].Sample.Language.ShouldBe("es");
        world.OpenAI.Http.Exchanges.Entries.Where(asked => asked.Path == "/v1/audio/transcriptions").ShouldNotBeEmpty();
        world.OpenAI.Http.Exchanges.Entries.Where(asked => asked.Path == "/v1/audio/transcriptions")
            .ShouldAllBe(asked => !asked.Body.Contains("language", StringComparison.Ordinal) && !asked.Body.Contains("prompt", StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_caller_without_a_phone_number_is_a_caller_too()
    {
        const string Caller = "whatsapp:US.13491208655302741918";
        await world.Twilio.WriteAsync(InboundMessage.Text("My rent went up.") with { From = Caller });

        (await world.Twilio.WaitForMessageAsync(Caller, _ => true)).Body.ShouldNotBeNullOrWhiteSpace();
    }

    /// <summary>A reply is on record a moment after it was sent.</summary>
    private async Task<IReadOnlyList<JsonElement>> TimelineAsync(string caller, int entries)
    {
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(10));
        while (true)
        {
            var timeline = await TimelineAsync(caller);
            if (timeline.Count >= entries || limit.IsCancellationRequested)
            {
                return timeline;
            }
        }
    }

    private async Task<IReadOnlyList<JsonElement>> TimelineAsync(string caller)
    {
        var conversations = await world.GetAsync($"/api/conversations?phoneNumber={Uri.EscapeDataString(caller["whatsapp:".Length..])}");
        var callerId = conversations.GetProperty("items")[0].GetProperty("callerId").GetString();
        return [.. (await world.GetAsync($"/api/conversations/{callerId}/messages")).GetProperty("items").EnumerateArray()];
    }
}
