using System.Net;
using System.Net.Http.Json;
using System.Text.Json;
using Guru.Application;
using Guru.Application.Callers;
using Guru.Application.Conversations;
using Guru.Domain.Callers;
using Guru.Domain.Conversations;
using Guru.Sandbox.Twilio;
using Microsoft.Extensions.DependencyInjection;
using Npgsql;

namespace Guru.EndToEnd.Tests;

public sealed class WorldWithoutPauses : World
{
    protected override Dictionary<string, string?> Settings => new() { ["Guru:Work:PollSeconds"] = "0.05", ["Guru:Messages:SummaryAfterCall"] = "false" };
}

/// <summary>People who show their number, a business-scoped id, or both.</summary>
public sealed class OnePersonUnderTwoIds(WorldWithoutPauses world) : IClassFixture<WorldWithoutPauses>
{
    [Fact]
    public async Task Is_one_person_from_the_message_on_that_shows_both_in_writing_on_the_phone_and_in_the_webapp()
    {
        const string Number = "+15550600001";
        const string Id = "US.13491208655300000001";
        await WriteAsync("I have a letter from my landlord.", Number, Id);
        await WriteAsync("It is about my rent.", Id); // They hide their number by now.
        var call = await world.Twilio.PlaceCallAsync(Calls.Greeted with { From = $"whatsapp:{Id}" });
        var record = await world.RecordOf(call);

        var callerId = await CallerIdOfAsync(Number);
        (await CallerIdOfAsync(Id)).ShouldBe(callerId);
        record.Call.GetProperty("callerId").GetString().ShouldBe(callerId);
        (await TextsAsync(callerId)).ShouldBe(["I have a letter from my landlord.", "It is about my rent."]);
        world.OpenAI.Sessions.Entries[^1].Read(session => session.Items.First(item => item.Role == "system").Text)!.ShouldContain("landlord");
        foreach (var asked in (string[])[Number, Id])
        {
            var calls = await world.GetAsync($"/api/calls?phoneNumber={Uri.EscapeDataString(asked)}");
            calls.GetProperty("items").EnumerateArray().ShouldHaveSingleItem().GetProperty("callSid").GetString().ShouldBe(call.CallSid);
            using var session = await World.ClientFor(World.AddressOf(world.Guru), World.WebappKey).PostAsJsonAsync("/api/voice-agent/session", new { phoneNumber = asked });
            (await session.Content.ReadAsStringAsync()).ShouldContain("landlord");
        }

        (await RowsAsync($"select count(*) from events.mt_events where type = 'caller_aliased' and stream_id = 'conversation-{callerId}'")).ShouldBe(["1"]);
        await ShouldBeReadByAsync((await AliasesAsync(callerId)).Single(), callerId, Number);
    }

    /// <summary>An analyst may have the alias from anywhere, say from before the two ids were known to be one person's.</summary>
    private async Task ShouldBeReadByAsync(string alias, string callerId, string number)
    {
        foreach (var resource in (string[])["", "/messages", "/sessions", "/routing", "/consent"])
        {
            (await world.GetAsync($"/api/conversations/{alias}{resource}")).GetRawText().ShouldBe((await world.GetAsync($"/api/conversations/{callerId}{resource}")).GetRawText(), resource);
        }

        foreach (var list in (string[])["/api/calls?", "/api/conversations?", "/api/transcripts/search?q=help&"])
        {
            var found = await world.GetAsync($"{list}callerId={callerId}");
            found.GetProperty("items").GetArrayLength().ShouldBeGreaterThan(0, list);
            (await world.GetAsync($"{list}callerId={alias}")).GetRawText().ShouldBe(found.GetRawText(), list);
            (await world.GetAsync($"{list}callerId={alias}&phoneNumber={Uri.EscapeDataString(number)}")).GetRawText().ShouldBe(found.GetRawText(), list);
        }
    }

    [Fact]
    public async Task Goes_on_under_the_id_where_the_number_comes_later()
    {
        const string Number = "+15550600002";
        const string Id = "US.13491208655300000002";
        await WriteAsync("My rent went up.", Id);
        var callerId = await CallerIdOfAsync(Id);

        await WriteAsync("By 200 dollars.", Number, Id);
        await WriteAsync("A month.", Number);

        (await CallerIdOfAsync(Number)).ShouldBe(callerId);
        (await TextsAsync(callerId)).ShouldBe(["My rent went up.", "By 200 dollars.", "A month."]);
    }

    [Fact]
    public async Task Has_the_number_no_more_once_it_comes_with_another_id()
    {
        const string Number = "+15550600004";
        const string Before = "US.13491208655300000004";
        const string After = "US.13491208655300000005";
        await WriteAsync("I am being evicted.", Before);
        await WriteAsync("On Friday.", Number, Before);
        await WriteAsync("I have a new number.", Number, After);

        var (whoHadIt, whoHasIt) = (await CallerIdOfAsync(Before), await CallerIdOfAsync(After));
        (await CallerIdOfAsync(Number)).ShouldBe(whoHasIt);
        (await TextsAsync(whoHadIt)).ShouldBe(["I am being evicted.", "On Friday."]);
        (await TextsAsync(whoHasIt)).ShouldBe(["I have a new number."]);
    }

    [Fact]
    public async Task Is_erased_under_both_with_what_was_written_before_they_were_known_to_be_one()
    {
        const string Number = "+15550600003";
        const string Id = "US.13491208655300000003";
        var marks = new Marks("Popocatepetl", "Quetzalcoatl", "Nebuchadnezzar", Number[1..], Id);
        await WriteAsync("My name is Popocatepetl.", Number);
        await WriteAsync("My name is Quetzalcoatl.", Id);
        await WriteAsync("My name is Nebuchadnezzar.", Number, Id);
        var (first, second) = (await RowsAsync("select alias_id from guru.caller_aliases order by at desc limit 1"), await CallerIdOfAsync(Number));
        var database = world.Guru.App.Services.GetRequiredService<NpgsqlDataSource>();
        (await marks.InTablesAsync(database)).ShouldContain("guru.messages");
        foreach (var id in (string[])[second, first[0]])
        {
            (await TextsAsync(id)).ShouldBe(["My name is Popocatepetl.", "My name is Quetzalcoatl.", "My name is Nebuchadnezzar."]);
        }


        using var erased = await world.Operator.DeleteAsync($"/api/callers/{Uri.EscapeDataString(Id)}");

        erased.StatusCode.ShouldBe(HttpStatusCode.OK);
        JsonElement.Parse(await erased.Content.ReadAsStringAsync()).GetProperty("callerId").GetString().ShouldBe(second);
        (await marks.InTablesAsync(database)).ShouldBeEmpty();
        (await RowsAsync($"select count(*) from guru_keys.keys where caller_id in ('{first[0]}', '{second}')")).ShouldBe(["0"]);
        (await RowsAsync($"select stream_id from events.mt_events where type = 'caller_erased' and stream_id in ('conversation-{first[0]}', 'conversation-{second}') order by seq_id"))
            .ShouldBe([$"conversation-{first[0]}", $"conversation-{second}"]);
        (await RowsAsync($"select count(*) from guru.caller_aliases where caller_id = '{second}'")).ShouldBe(["0"]);
    }

    [Fact]
    public async Task Is_found_by_each_id_where_nothing_was_written_under_the_one_that_they_are_known_by()
    {
        const string Number = "+15550600006";
        const string Id = "US.13491208655300000006";
        await WriteAsync("I have a letter.", Id);
        var written = await CallerIdOfAsync(Id);
        var names = world.Guru.App.Services.GetRequiredService<CallerNames>();
        var number = names.IdOf(CallerAddress.Parse(Number));
        var store = world.Guru.App.Services.GetRequiredService<IEventStore>();
        await new ConversationLog(store, number).AppendAsync(new AliasCaller(number, CallerId.Parse(written), TimeProvider.System.GetUtcNow()), CancellationToken.None);

        (await CallerIdOfAsync(Number)).ShouldBe(written);
        (await world.GetAsync($"/api/conversations?callerId={written}")).GetProperty("items").GetArrayLength().ShouldBe(1);
        (await world.GetAsync($"/api/conversations?callerId={number.Value}")).GetProperty("items").GetArrayLength().ShouldBe(1);
    }

    /// <summary>Somebody writes, and has their answer.</summary>
    /// <param name="externalId">Shown beside the number.</param>
    private async Task WriteAsync(string text, string from, string? externalId = null)
    {
        var person = $"whatsapp:{from}";
        var before = world.Twilio.Rest.Messages.Entries.Count(message => message.To == person);
        await world.Twilio.WriteAsync(InboundMessage.Text(text) with { From = person, ExternalUserId = externalId is null ? null : $"whatsapp:{externalId}" });
        await world.Twilio.WaitForMessageAsync(person, _ => world.Twilio.Rest.Messages.Entries.Count(message => message.To == person) > before);
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(30));
        while ((await RowsAsync("select id from guru.work where kind = 'reply'")).Count > 0)
        {
            limit.Token.ThrowIfCancellationRequested();
        }
    }

    private async Task<string> CallerIdOfAsync(string address) =>
        (await world.GetAsync($"/api/conversations?phoneNumber={Uri.EscapeDataString(address)}")).GetProperty("items").EnumerateArray().ShouldHaveSingleItem()
            .GetProperty("callerId").GetString()!;

    private Task<IReadOnlyList<string>> AliasesAsync(string callerId) => RowsAsync($"select alias_id from guru.caller_aliases where caller_id = '{callerId}'");

    /// <summary>What the person wrote.</summary>
    private async Task<IEnumerable<string>> TextsAsync(string callerId) =>
        (await world.GetAsync($"/api/conversations/{callerId}/messages")).GetProperty("items").EnumerateArray()
            .Where(entry => entry.GetProperty("speaker").GetString() == "caller").Select(entry => entry.GetProperty("text").GetString()!);

    private Task<IReadOnlyList<string>> RowsAsync(string sql) => world.Guru.App.Services.GetRequiredService<NpgsqlDataSource>().RowsAsync(sql);
}
