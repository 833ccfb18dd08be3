using Guru.Application;
using Guru.Application.Calls;
using Guru.Application.Transcripts;
using Guru.Domain.Callers;
using Guru.Domain.Calls;
using Guru.Infrastructure.Postgres;
using Npgsql;
using Shouldly;

namespace Guru.Infrastructure.Tests.Postgres;

[Collection(PostgresCollection.Name)]
public sealed class SearchTests(PostgresFixture postgres) : IAsyncLifetime
{
    private static readonly DateTimeOffset Noon = new(2026, 3, 4, 12, 0, 0, TimeSpan.Zero);
    private static readonly CallerId Maria = CallerId.Parse("0123456789abcdef0123456789abcdef");
    private TestDatabase _database = null!;
    private int _said;

    public async Task InitializeAsync() => _database = await TestDatabase.NewAsync(postgres);

    public async Task DisposeAsync() => await _database.DisposeAsync();

    [Theory]
    [InlineData("en", "I received two hospital bills", "bill")]
    [InlineData("es", "Recibí dos facturas del hospital", "factura")]
    [InlineData("fr", "J'ai reçu des factures", "facture")]
    [InlineData("ar", "وصلتني فاتورة من المستشفى", "فاتورة")]
    [InlineData("ht", "Mwen resevwa yon bòdwo nan lopital la", "bòdwo")]
    [InlineData("vi", "Tôi nhận được hóa đơn của bệnh viện", "bệnh viện")]
    [InlineData("vi", "Tôi nhận được hóa đơn của bệnh viện", "Be\u0323\u0302nh")] // Composed otherwise.
    [InlineData("zh", "我收到了医院的账单，我看不懂。", "医院")]
    [InlineData("zh", "我收到了医院的账单，我看不懂。", "账单")]
    [InlineData("ja", "病院から請求書が届きました", "請求書")]
    [InlineData("th", "ฉันได้รับใบแจ้งหนี้จากโรงพยาบาล", "โรงพยาบาล")]
    [InlineData("en", "Ask for the 账单 office", "账单")]
    public async Task Words_are_found_in_the_language_they_were_spoken_in(string language, string said, string query)
    {
        await SayAsync(said, language);
        await SayAsync("something else entirely 不同 khác", language);

        var hit = (await SearchAsync(query)).Items.ShouldHaveSingleItem();

        hit.Said.ShouldBe(said);
        hit.Snippet.ShouldContain("<mark>");
        hit.Snippet.Replace("<mark>", "").Replace("</mark>", "").ShouldBe(said.Replace("'", "&#x27;"));
    }

    [Fact]
    public async Task Characters_of_a_language_without_spaces_are_found_only_side_by_side()
    {
        await SayAsync("院子里没有医生", "zh");

        (await SearchAsync("医院")).Items.ShouldBeEmpty();
    }

    [Fact]
    public async Task A_word_form_of_one_language_is_not_taken_for_one_of_another()
    {
        await SayAsync("canción", "en");

        (await SearchAsync("canciones")).Items.ShouldBeEmpty();
    }

    /// <summary>The first utterance of each language: held against what PostgreSQL itself makes of the words, row by row.</summary>
    [Theory]
    [InlineData("nations")]
    [InlineData("factura")]
    [InlineData("\"the nation\"")]
    [InlineData("facturas -nation")]
    public async Task A_language_that_nobody_spoke_before_is_searched_at_once(string query)
    {
        string[] languages = ["en", "es", "fr", "ht", "zh", "ar", "ca", "da", "de", "el", "eu", "fi", "ga", "hi", "hu", "hy", "id", "it", "lt", "ne", "nl", "no", "pt", "ro", "ru", "sr", "sv", "ta", "tr", "yi"];
        foreach (var language in languages)
        {
            await AppendAsync([.. new[] { "the nation", "nations", "una factura", "facturas", "the facturaciones" }.Select(said => (object)Said(said, language))]);

            var found = await FoundAsync(new TranscriptSearch(TextQuery.Parse(query)));

            found.Select(hit => (hit.Language, hit.Said)).ShouldBe(await FoundRowByRowAsync(query), ignoreOrder: true, language);
            (await FoundAsync(new TranscriptSearch(TextQuery.Parse(query)) { Language = language })).ShouldBe(found.Where(hit => hit.Language == language), ignoreOrder: true, language);
        }
    }

    [Fact]
    public async Task Which_languages_are_on_record_is_seen_in_an_index()
    {
        var asking = TextSearch.Asking(TextQuery.Parse("bill"), Projections.LiveSchema);
        await using var connection = await _database.DataSource.OpenConnectionAsync();
        await using var batch = new NpgsqlBatch(connection) { BatchCommands = { new("set enable_seqscan = off"), new($"explain {asking.CommandText}") } };
        foreach (NpgsqlParameter parameter in asking.Parameters)
        {
            batch.BatchCommands[1].Parameters.Add(parameter.Clone());
        }

        var plan = new List<string>();
        await using var reader = await batch.ExecuteReaderAsync();
        while (await reader.ReadAsync())
        {
            plan.Add(reader.GetString(0));
        }

        plan.ShouldContain(line => line.Contains("using utterances_other_languages on utterances"), string.Join('\n', plan));
        plan.ShouldNotContain(line => line.Contains("Seq Scan"));
    }

    [Fact]
    public async Task What_an_agent_said_is_searched_in_the_language_of_the_call()
    {
        await SayAsync("Recibí una factura", "es");
        await SayAsync("No pague las facturas todavía", language: null, Speaker.Agent);

        (await SearchAsync("factura", search => search with { Speaker = Speaker.Agent })).Items.ShouldHaveSingleItem().Language.ShouldBe("es");
    }

    [Theory]
    [InlineData("\"billing office\"", "one")]
    [InlineData("\"office billing\"", "")]
    [InlineData("office billing", "one two")]
    [InlineData("itemi*", "one")]
    [InlineData("office -itemized", "two")]
    [InlineData("OFFICE", "one two")]
    [InlineData("o'reilly", "three")]
    [InlineData("\"unfinished phrase", "")]
    [InlineData("bill* offi*", "one two")]
    public async Task Words_phrases_beginnings_and_exclusions(string query, string expected)
    {
        await SayAsync("one: ask the billing office for an itemized bill");
        await SayAsync("two: the office does the billing");
        await SayAsync("three: Mr. O'Reilly will call");

        var found = (await SearchAsync(query)).Items.Select(hit => hit.Said.Split(':')[0]).Order(StringComparer.Ordinal);

        string.Join(' ', found).ShouldBe(string.Join(' ', expected.Split(' ', StringSplitOptions.RemoveEmptyEntries).Order(StringComparer.Ordinal)));
    }

    [Fact]
    public async Task What_was_said_but_not_heard_is_found_apart()
    {
        await SayAsync("Please do not pay it yet. Ask for an itemized bill.", "en", Speaker.Agent, heard: "Please do not pay it yet.");
        await SayAsync("Itemized means line by line.", "en", Speaker.Agent);

        var hit = (await SearchAsync("itemized", search => search with { Unheard = true })).Items.ShouldHaveSingleItem();

        hit.Interrupted.ShouldBeTrue();
        hit.Snippet.ShouldBe("Ask for an <mark>itemized</mark> bill.");
        (await SearchAsync("pay", search => search with { Unheard = true })).Items.ShouldBeEmpty();
    }

    [Fact]
    public async Task A_snippet_is_safe_to_show_as_HTML()
    {
        await SayAsync("bill <script>alert('1')</script> & \"bill\" <mark>");

        var snippet = (await SearchAsync("bill")).Items.ShouldHaveSingleItem().Snippet;

        snippet.Replace("<mark>", "").Replace("</mark>", "").IndexOfAny(['<', '>', '"', '\'']).ShouldBe(-1);
        snippet.ShouldContain("<mark>bill</mark> &lt;script&gt;");
    }

    [Fact]
    public async Task The_pages_of_a_search_hold_each_hit_once_while_more_is_said()
    {
        for (var number = 0; number < 40; number++)
        {
            await SayAsync(string.Join(' ', Enumerable.Repeat("bill", 1 + (number % 5))) + $" number {number}");
        }

        var found = new List<SearchHit>();
        string? cursor = null;
        do
        {
            var page = await _database.Transcripts.SearchAsync(new TranscriptSearch(TextQuery.Parse("bill")), 7, cursor, default);
            found.AddRange(page.Items);
            page.Truncated.ShouldBeFalse();
            cursor = page.Next;
            await SayAsync("bill bill bill bill bill bill said later");
        }
        while (cursor is not null);

        found.Count.ShouldBe(40);
        found.Select(hit => hit.UtteranceId).ShouldBeUnique();
        found.Select(hit => hit.Rank).ShouldBe(found.Select(hit => hit.Rank).OrderDescending());
    }

    [Fact]
    public async Task Of_very_many_hits_the_newest_are_put_in_order()
    {
        var events = Enumerable.Range(0, ITranscriptQueries.MostHits + 5).Select(number => (object)Said($"the bill of day {number}", "en")).ToArray();
        await AppendAsync(events);

        var page = await SearchAsync("bill");

        page.Truncated.ShouldBeTrue();
        (await SearchAsync("\"day 0\"")).Items.ShouldHaveSingleItem();
        (await SearchAsync("\"day 0\"")).Truncated.ShouldBeFalse();
    }

    [Theory]
    [InlineData(10)]
    [InlineData(300)]
    [InlineData(600)]
    [InlineData(1_500)]
    public async Task Which_hits_are_the_newest_does_not_depend_on_how_far_back_is_looked_first(int fewUtterances)
    {
        var random = new Random(5);
        for (var day = 0; day < 40; day++)
        {
            var share = day < 15 ? 0.9 : day < 37 ? 0.2 : 0.6; // Not spread evenly, so that what is promised does not hold.
            await AppendAsync(
                CallSid.Parse($"CA000000000000000000000000000000{day:00}"), Noon.AddDays(day * 2),
                [.. Enumerable.Range(0, 100).Select(number => (object)(Said(
                    $"a call of the {(random.NextDouble() < share ? string.Concat(Enumerable.Repeat("bill ", random.Next(1, 5))) : "letter ")}{(number == 7 && day % 5 == 0 ? "from the court" : "")}", "en")
                    with { At = Noon.AddDays(day * 2).AddMinutes(number * 10) }))]); // Past midnight.
        }

        var (_, lookingBack) = await _database.LookingBackAsync(fewUtterances);
        var early = new TimeRange(Noon.AddDays(11), Noon.AddDays(55));

        foreach (var query in (string[])["call", "bill", "letter", "court", "bill court", "\"bill bill bill\"", "l*", "court -bill", "nobody"])
        {
            foreach (var search in (TranscriptSearch[])[new(TextQuery.Parse(query)), new(TextQuery.Parse(query)) { At = early }])
            {
                string? cursor = null;
                do
                {
                    var expected = await _database.Transcripts.SearchAsync(search, 150, cursor, default);
                    var page = await lookingBack.SearchAsync(search, 150, cursor, default);
                    page.Items.ShouldBe(expected.Items, $"{query}, {search.At}");
                    (page.Next, page.Truncated).ShouldBe((expected.Next, expected.Truncated), $"{query}, {search.At}");
                    cursor = page.Next;
                }
                while (cursor is not null);
            }
        }
    }

    [Fact]
    public async Task A_search_that_is_made_again_does_not_go_by_what_it_found_before()
    {
        var (_, again) = await _database.LookingBackAsync(fewUtterances: 10);
        await SearchedAlikeAsync(); // Nothing at all yet.
        string[] days = [.. Enumerable.Repeat("nothing", 12), "letter", "letter", "bill", "letter", "bill", "letter", "letter", "bill", "nothing", "letter"];
        for (var day = 0; day < days.Length; day++)
        {
            await AppendAsync(
                CallSid.Parse($"CA000000000000000000000000000000{day:00}"), Noon.AddDays(day),
                [.. Enumerable.Range(0, 600).Select(number => (object)(Said(number % 100 == 0 ? "bill letter" : days[day], "en") with { At = Noon.AddDays(day).AddSeconds(number) }))]);
            if (day > 10)
            {
                await _database.LookingBackAsync(fewUtterances: 10); // Adds the days up.
                await using var analyze = _database.DataSource.CreateCommand("analyze guru.utterances");
                await analyze.ExecuteNonQueryAsync();
                await SearchedAlikeAsync();
                await SearchedAlikeAsync();
            }
        }

        async Task SearchedAlikeAsync()
        {
            foreach (var query in (string[])["bill", "letter", "bill letter", "let*"])
            {
                var search = new TranscriptSearch(TextQuery.Parse(query));
                var expected = await new TranscriptQueries(_database.DataSource).SearchAsync(search, 200, cursor: null, default);
                foreach (var queries in (TranscriptQueries[])[again, new TranscriptQueries(_database.DataSource, fewUtterances: 10)]) // The other goes by what the planner foresees.
                {
                    var page = await queries.SearchAsync(search, 200, cursor: null, default);
                    page.Items.ShouldBe(expected.Items, query);
                    (page.Next, page.Truncated).ShouldBe((expected.Next, expected.Truncated), query);
                }
            }
        }
    }

    [Fact]
    public async Task No_query_is_an_error_in_the_database()
    {
        await SayAsync("an ordinary sentence");
        string[] parts = ["a", "bill", "\"", "*", "-", "'", "\\", "&", "|", "!", "(", ")", ":", "<->", "%", "$1", "\0", "\uD800", "医", "é", "👋", " ", "' or 1=1 --", "\u0001"];
        var random = new Random(3);
        for (var trial = 0; trial < 300; trial++)
        {
            var text = string.Concat(Enumerable.Range(0, random.Next(1, 12)).Select(_ => parts[random.Next(parts.Length)]));
            TextQuery query;
            try
            {
                query = TextQuery.Parse(text);
            }
            catch (FormatException)
            {
                continue;
            }

            await _database.Transcripts.SearchAsync(new TranscriptSearch(query) { Unheard = random.Next(2) == 0 }, 5, cursor: null, default);
        }
    }

    [Theory]
    [InlineData("")]
    [InlineData("   ")]
    [InlineData("-bill")]
    [InlineData("* & |")]
    public void A_query_without_a_word_is_refused(string text) => Should.Throw<FormatException>(() => TextQuery.Parse(text));

    private async Task<SearchPage> SearchAsync(string query, Func<TranscriptSearch, TranscriptSearch>? also = null) =>
        await _database.Transcripts.SearchAsync((also ?? (search => search))(new TranscriptSearch(TextQuery.Parse(query))), 50, cursor: null, default);

    private async Task<IReadOnlyList<SearchHit>> FoundAsync(TranscriptSearch search) => (await _database.Transcripts.SearchAsync(search, 200, cursor: null, default)).Items;

    /// <summary>What each row says to the query as its own language reads it.</summary>
    private async Task<List<(string? Language, string Said)>> FoundRowByRowAsync(string query)
    {
        var terms = TextQuery.Parse(query).Terms;
        var asked = terms.Select((term, index) => $"{(term.Without ? "!!" : "")}phraseto_tsquery(guru.search_config(u.search_language), guru.search_text(${index + 1}))");
        await using var command = _database.DataSource.CreateCommand(
            $"select u.search_language, u.said from guru.utterances u where guru.search_words(u.search_language, u.said) @@ ({string.Join(" && ", asked)})");
        foreach (var term in terms)
        {
            command.Parameters.AddWithValue(term.Text);
        }

        await using var reader = await command.ExecuteReaderAsync();
        var found = new List<(string?, string)>();
        while (await reader.ReadAsync())
        {
            found.Add((reader.GetString(0), reader.GetString(1)));
        }

        return found;
    }

    private Task SayAsync(string said, string? language = "en", Speaker speaker = Speaker.Caller, string? heard = null) =>
        AppendAsync(Said(said, language, speaker, heard));

    private UtteranceTranscribed Said(string said, string? language, Speaker speaker = Speaker.Caller, string? heard = null) => new(
        $"sess:item_{++_said:0000}", speaker, "general", said, heard ?? said, Interrupted: heard is not null, TranscriptionOutcome.Completed, _said * 1_000,
        (_said * 1_000) + 500, 500, 500, language, FirstAudioMs: null, FirstHeardMs: null, Noon.AddSeconds(_said));

    private Task AppendAsync(params object[] events) => AppendAsync(CallSid.Parse("CA00000000000000000000000000000001"), Noon, events);

    private async Task AppendAsync(CallSid sid, DateTimeOffset at, object[] events)
    {
        var started = new CallStarted(
            sid, Maria, "+15550100001", CallChannel.Whatsapp, CallDirection.Inbound, Language: null, StreamTokenHash: null, at);
        await _database.Store.AppendAsync(Call.StreamId(sid), ExpectedVersion.Any, Maria, [started, .. events], default);
    }
}
