using Guru.Application;
using Guru.Domain.Calls;
using Shouldly;

namespace Guru.Infrastructure.Tests.Postgres;

/// <summary>Marten must be able to open our database as if it had made it: what it does not expect, it drops.</summary>
[Collection(PostgresCollection.Name)]
public sealed class MartenTablesTests(PostgresFixture postgres)
{
    [Fact]
    public async Task The_event_tables_are_Martens_to_the_letter()
    {
        await using var database = await TestDatabase.NewAsync(postgres);

        (await database.RowsAsync(
            """
            select table_name, column_name, data_type, character_maximum_length, is_nullable, column_default
            from information_schema.columns where table_schema = 'events' order by table_name, ordinal_position
            """)).ShouldBe(
        [
            "mt_event_progression\tname\tcharacter varying\t\tNO\t",
            "mt_event_progression\tlast_seq_id\tbigint\t\tYES\t",
            "mt_event_progression\tlast_updated\ttimestamp with time zone\t\tYES\ttransaction_timestamp()",
            "mt_events\tseq_id\tbigint\t\tNO\t",
            "mt_events\tid\tuuid\t\tNO\t",
            "mt_events\tstream_id\tcharacter varying\t\tYES\t",
            "mt_events\tversion\tbigint\t\tNO\t",
            "mt_events\tdata\tjsonb\t\tNO\t",
            "mt_events\tbdata\tbytea\t\tYES\t",
            "mt_events\ttype\tcharacter varying\t500\tNO\t",
            "mt_events\ttimestamp\ttimestamp with time zone\t\tNO\tnow()",
            "mt_events\ttenant_id\tcharacter varying\t\tYES\t'*DEFAULT*'::character varying",
            "mt_events\tmt_dotnet_type\tcharacter varying\t\tYES\t",
            "mt_events\tis_archived\tboolean\t\tYES\tfalse",
            "mt_streams\tid\tcharacter varying\t\tNO\t",
            "mt_streams\ttype\tcharacter varying\t\tYES\t",
            "mt_streams\tversion\tbigint\t\tYES\t",
            "mt_streams\ttimestamp\ttimestamp with time zone\t\tNO\tnow()",
            "mt_streams\tcreated\ttimestamp with time zone\t\tNO\tnow()",
            "mt_streams\ttenant_id\tcharacter varying\t\tYES\t'*DEFAULT*'::character varying",
            "mt_streams\tis_archived\tboolean\t\tYES\tfalse",
        ]);
        (await database.RowsAsync("select indexdef from pg_indexes where schemaname = 'events' order by indexname")).ShouldBe(
        [
            "CREATE UNIQUE INDEX pk_mt_event_progression ON events.mt_event_progression USING btree (name)",
            "CREATE UNIQUE INDEX pk_mt_events_stream_and_version ON events.mt_events USING btree (stream_id, version)",
            "CREATE UNIQUE INDEX pkey_mt_events_seq_id ON events.mt_events USING btree (seq_id)",
            "CREATE UNIQUE INDEX pkey_mt_streams_id ON events.mt_streams USING btree (id)",
        ]);
        (await database.RowsAsync(
            """
            select conname, pg_get_constraintdef(oid) from pg_constraint where connamespace = 'events'::regnamespace and contype <> 'n' order by conname
            """)).ShouldBe(
        [
            "fkey_mt_events_stream_id\tFOREIGN KEY (stream_id) REFERENCES events.mt_streams(id) ON DELETE CASCADE",
            "pk_mt_event_progression\tPRIMARY KEY (name)",
            "pkey_mt_events_seq_id\tPRIMARY KEY (seq_id)",
            "pkey_mt_streams_id\tPRIMARY KEY (id)",
        ]);
        (await database.OneAsync("select pg_get_serial_sequence('events.mt_events', 'seq_id')")).ShouldBe("events.mt_events_sequence");
        (await database.OneAsync(
            """
            select (select count(*) from pg_proc where pronamespace = 'events'::regnamespace)
                + (select count(*) from pg_trigger t join pg_class c on c.oid = t.tgrelid
                   where c.relnamespace = 'events'::regnamespace and not t.tgisinternal)
            """)).ShouldBe("0");
    }

    [Fact]
    public async Task An_append_writes_what_Marten_would_write()
    {
        await using var database = await TestDatabase.NewAsync(postgres);
        var at = new DateTimeOffset(2026, 3, 4, 12, 0, 0, TimeSpan.Zero);

        await database.Store.AppendAsync(
            "call-CA1", ExpectedVersion.None, owner: null,
            [new MediaStreamConnected("MZ1", "abc", "node-1", at), new CallEnded(CallEndReason.AgentEnded, at.AddTicks(5))], default);

        (await database.RowsAsync(
            """
            select version, type, mt_dotnet_type, data, bdata is null, tenant_id, is_archived from events.mt_events order by version
            """)).ShouldBe(
        [
            "1\tmedia_stream_connected\tGuru.Domain.Calls.MediaStreamConnected, Guru.Domain\t"
                + """{"at": "2026-03-04T12:00:00Z", "node": "node-1", "streamSid": "MZ1", "streamTokenHash": "abc"}""" + "\tTrue\t*DEFAULT*\tFalse",
            "2\tcall_ended\tGuru.Domain.Calls.CallEnded, Guru.Domain\t"
                + """{"at": "2026-03-04T12:00:00.0000005Z", "reason": "agentEnded"}""" + "\tTrue\t*DEFAULT*\tFalse",
        ]);
        (await database.OneAsync("select id, type is null, version, tenant_id, is_archived from events.mt_streams"))
            .ShouldBe("call-CA1\tTrue\t2\t*DEFAULT*\tFalse");
        (await database.OneAsync("select count(distinct id) from events.mt_events where substr(id::text, 15, 1) = '7'")).ShouldBe("2");
    }
}
