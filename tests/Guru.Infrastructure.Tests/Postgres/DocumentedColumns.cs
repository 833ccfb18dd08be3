using System.Text.RegularExpressions;
using Guru.Infrastructure.Postgres;
using Shouldly;

namespace Guru.Infrastructure.Tests.Postgres;

/// <summary>docs/analysts.md tells who reads with SQL every column of every read model.</summary>
[Collection(PostgresCollection.Name)]
public sealed partial class DocumentedColumns(PostgresFixture postgres)
{
    [Fact]
    public async Task Every_column_of_the_read_models_is_documented_with_its_type_and_no_other()
    {
        await using var database = await TestDatabase.NewAsync(postgres);
        var there = await database.RowsAsync(
            $"""
            select c.relname || '.' || a.attname || ' ' || format_type(a.atttypid, null)
            from pg_class c join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
            where c.relnamespace = 'guru'::regnamespace and c.relname in ('{string.Join("','", Projections.ReadModels)}')
            """);

        var documented = Documented().ToList();

        documented.ShouldBeUnique();
        documented.Order(StringComparer.Ordinal).ShouldBe(there.Order(StringComparer.Ordinal));
    }

    /// <summary>Below a heading with a table's name, the rows that begin with a column.</summary>
    private static IEnumerable<string> Documented()
    {
        var table = "";
        foreach (var line in File.ReadLines(Path.Combine(Root(), "docs", "analysts.md")))
        {
            if (Heading().Match(line) is { Success: true } heading)
            {
                table = heading.Groups["table"].Value;
            }
            else if (line.StartsWith('#'))
            {
                table = "";
            }
            else if (table.Length > 0 && Row().Match(line) is { Success: true } row)
            {
                foreach (var column in row.Groups["columns"].Value.Split(", "))
                {
                    yield return $"{table}.{column.Trim('`')} {row.Groups["type"].Value}";
                }
            }
        }
    }

    private static string Root()
    {
        var folder = new DirectoryInfo(AppContext.BaseDirectory);
        while (!File.Exists(Path.Combine(folder.FullName, "Guru.sln")))
        {
            folder = folder.Parent!;
        }

        return folder.FullName;
    }

    [GeneratedRegex(@"^### `guru\.(?<table>\w+)`", RegexOptions.ExplicitCapture, matchTimeoutMilliseconds: 1_000)]
    private static partial Regex Heading();

    [GeneratedRegex(@"^\| (?<columns>`\w+`(, `\w+`)*) \| (?<type>[\w \[\]]+) \|", RegexOptions.ExplicitCapture, matchTimeoutMilliseconds: 1_000)]
    private static partial Regex Row();
}
