using System.Text;
using System.Text.Json;
using Guru.Application;
using Guru.Domain.Callers;
using Guru.Domain.Calls;
using Guru.Domain.Conversations;
using Guru.Infrastructure.Postgres;
using Guru.Infrastructure.Tests.Postgres;

namespace Guru.Infrastructure.Tests.Privacy;

/// <summary>Somebody who leaves a mark wherever people leave words: the marks can be looked for.</summary>
internal sealed class Person(string mark, string number, DateTimeOffset at)
{
    private const string Lease = "11111111-1111-1111-1111-111111111111";

    public CallerId Id { get; } = CallerId.Of(CallerAddress.Parse(number), "a secret of the server"u8);

    public CallSid Call => CallSid.Parse($"CA{Id}");

    public string Conversation => Domain.Conversations.Conversation.StreamId(Id);

    public string CallStream => Domain.Calls.Call.StreamId(Call);

    /// <summary>Through every event that takes words or an address, the to-do list, and a request with an Idempotency-Key.</summary>
    public async Task LeaveMarksAsync(TestDatabase database)
    {
        ConversationEvent[] written =
        [
            Wrote("SM1"),
            new VoiceNoteTranscribed("SM1", Id, Mark("note"), "es", Understood: true, at),
            new AgentSelected("SM1", Id, "legal", 0.9, Mark("routed"), ["general"], "1", at),
            new MessageReplied(["SM1"], Id, ["SMr1"], "legal", Mark("reply"), at),
            new MessageReplyFailed(["SM2"], Id, "timeout", at) { ReplySids = ["SMr2"], Agent = "legal", Text = Mark("apology") },
            new MessageSent("callSummary", Call.Value, Id, ["SMs"], "legal", Mark("sent"), at),
            new MessageDeliveryChanged("SMr1", Id, DeliveryStatus.Delivered, ErrorCode: null, at),
            new LanguageDetermined(Id, "es", "text", at),
            new ConversationSummarized(Id, Mark("summary"), at, at),
            new CallPermissionRequested("ask", Id, number, "HX1", $$"""{"1":"{{mark}}"}""", at),
            new CallPermissionGranted("SMyes", Id, number, GrantSource.Answer, "ask", ExpiresAt: null, at),
            new OutboundCallRequested("want", Id, number, Agent: null, Mark("reason"), Earliest: null, at.AddDays(1), at),
            new CallBackProposed("back", Id, at.AddDays(2), "Africa/Accra", Agent: null, Mark("callback"), at),
        ];
        await database.Store.AppendAsync(Conversation, ExpectedVersion.Any, Id, written, default);
        await database.Store.AppendAsync(CallStream, ExpectedVersion.None, Id, [.. Talk()], default);

        await database.ExecuteAsync($"update guru.work set lease = '{Lease}', lease_until = now() + interval '1 hour' where id = 'reply:{Id}'");
        await database.Work.SaveIntentAsync(
            new Application.Work.WorkItem($"reply:{Id}", "reply", Id, Id.Value, Attempts: 0, Intent: null, IntentAt: null, Round: 1, Guid.Parse(Lease)),
            Mark("intent"), TimeSpan.FromHours(1), default);
        await new PostgresRequestKeys(database.DataSource).BindAsync(Id, $"key of {Id}", $"content of {Id}", "want", default);
    }

    public MessageReceived Wrote(string sid) => new(
        sid, Id, number, Mark("name"), MessageKind.VoiceNote, Mark("text"), $"https://media.test/{mark}", "audio/ogg", at);

    public UtteranceTranscribed Said(string id) => new(
        id, Speaker.Caller, "legal", Mark("said"), Mark("heard"), Interrupted: false, TranscriptionOutcome.Completed, StartMs: 1000, EndMs: 2000, SaidMs: 1000, HeardMs: 1000,
        "es", FirstAudioMs: null, FirstHeardMs: null, at);

    public CallSummarized Summary => new("es", Mark("short"), Mark("agreed"), Mark("where"), Mark("numbers"), Mark("when"), Mark("papers"), at);

    /// <summary>Where the marks can be read: tables as text, and events as a node reads them.</summary>
    public async Task<IReadOnlyList<string>> FoundAsync(TestDatabase database)
    {
        var found = new List<string>();
        string[] marks = [mark, number.TrimStart('+')];
        var tables = await database.RowsAsync(
            "select format('%I.%I', schemaname, tablename) from pg_tables where schemaname not in ('pg_catalog', 'information_schema') order by 1");
        foreach (var table in tables)
        {
            var patterns = marks.Concat(marks.Select(text => Convert.ToHexStringLower(Encoding.UTF8.GetBytes(text)))).Select(text => $"lower(t::text) like '%{text.ToLowerInvariant()}%'");
            if (await database.OneAsync($"select exists (select from {table} t where {string.Join(" or ", patterns)})") == "True")
            {
                found.Add(table);
            }
        }

        await foreach (var stored in database.AnotherNode().Store.ReadAllAsync(0, default))
        {
            var json = JsonSerializer.Serialize(stored.Data, stored.Data.GetType());
            if (marks.Any(text => json.Contains(text, StringComparison.OrdinalIgnoreCase)))
            {
                found.Add($"{stored.StreamId}: {stored.Data.GetType().Name}");
            }
        }

        return found;
    }

    private CallEvent[] Talk() =>
    [
        new CallStarted(Call, Id, number, CallChannel.Whatsapp, CallDirection.Outbound, "es", StreamTokenHash: null, at, Mark("purpose")),
        new AgentRouted("legal", Mark("because"), at),
        new MediaStreamConnected("MZ1", "hash", "node", at),
        Said("u1"),
        new AgentHandedOff("legal", "financial", Mark("handed"), at),
        new UsageRecorded("r1", UsageRecorded.Response, "gpt-realtime-2.1", "legal", new TokenUsage(1, 2, 0, 0, 3, 4), Seconds: null, at),
        new CallEnded(CallEndReason.CallerHungUp, at.AddMinutes(1)),
        Summary,
    ];

    private string Mark(string where) => $"{mark} {where}";
}
