using System.Text.RegularExpressions;
using Guru.Infrastructure.Postgres;
using Npgsql;
using Shouldly;

namespace Guru.Infrastructure.Tests.Postgres;

/// <summary>Words of utterances that were stored by an earlier version are found by queries that a later one reads: both make the same of a text.</summary>
[Collection(PostgresCollection.Name)]
public sealed partial class SearchWordsTests(PostgresFixture postgres)
{
    private static readonly string?[] Languages =
    [
        "ar", "ca", "da", "de", "el", "en", "es", "eu", "fi", "fr", "ga", "hi", "hu", "hy", "id", "it", "lt", "ne", "nl", "no", "pt", "ro", "ru", "sr", "sv",
        "ta", "tr", "yi", "ht", "vi", "zh", "ja", "th", "", "EN", null,
    ];

    private static readonly string?[] Parts =
    [
        "I received two hospital bills", "J'ai reçu des factures", "Tôi nhận được hóa đơn", "e\u0323\u0302", "ﬁnance ①②", "ＦＵＬＬ width", "ｶﾞｷﾞ", "請求書が届きました",
        "我收到了医院的账单", "ใบแจ้งหนี้", "វិក្កយបត្រ", "\U0002A700", "👋🏽", "وصلتني فاتورة", "счета из больницы", "Rechnungen", "cliniç İstanbul", "o'reilly's", "a.b@c.org 12-34",
        "<b>", "\\", "\u001F", "\u00A0", "\t\n", "", null,
    ];

    [Fact]
    public async Task What_is_made_of_a_text_is_what_was_made_of_it_at_first()
    {
        await using var dataSource = Database.DataSourceFor(await postgres.NewDatabaseAsync(migrated: true));
        var first = Migration.Shipped.Single(migration => migration.Name == "analytics").Sql;
        var functions = FunctionsOfSearch().Matches(first).Select(match => match.Value.Replace("guru.", "first.", StringComparison.Ordinal)).ToList();
        functions.Count.ShouldBe(4);
        await using (var before = dataSource.CreateCommand($"create schema first; {string.Join('\n', functions)}"))
        {
            await before.ExecuteNonQueryAsync();
        }

        var random = new Random(8);
        string?[] texts = [.. Parts, .. Enumerable.Range(0, 200).Select(_ => string.Join(random.Next(3) == 0 ? "" : " ", Enumerable.Range(0, random.Next(1, 5)).Select(_ => Parts[random.Next(Parts.Length)])))];
        await using var compared = dataSource.CreateCommand(
            """
            select count(*), count(*) filter (where length(guru.search_words(l, t)) > 0),
                count(*) filter (where guru.search_words(l, t) is distinct from first.search_words(l, t) or guru.search_text(t) is distinct from first.search_text(t))
            from unnest($1) l cross join unnest($2) t
            """);
        compared.Parameters.Add(new NpgsqlParameter<string?[]> { TypedValue = Languages });
        compared.Parameters.Add(new NpgsqlParameter<string?[]> { TypedValue = texts });
        await using var reader = await compared.ExecuteReaderAsync();
        await reader.ReadAsync();

        reader.GetInt64(0).ShouldBe(Languages.Length * texts.Length);
        reader.GetInt64(1).ShouldBeGreaterThan(Languages.Length * 100);
        reader.GetInt64(2).ShouldBe(0);
    }

    [GeneratedRegex(@"create function guru\.(spaced|search_text|search_config|search_words)\([^$]*\$\$[^$]*\$\$;", RegexOptions.ExplicitCapture, matchTimeoutMilliseconds: 5_000)]
    private static partial Regex FunctionsOfSearch();
}
