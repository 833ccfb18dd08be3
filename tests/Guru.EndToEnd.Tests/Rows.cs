using Npgsql;

namespace Guru.EndToEnd.Tests;

/// <summary>Looks into a database as nobody but a test does.</summary>
internal static class Rows
{
    /// <summary>A text for each row: its columns, with a space between them.</summary>
    public static async Task<IReadOnlyList<string>> RowsAsync(this NpgsqlDataSource database, string sql)
    {
        await using var command = database.CreateCommand(sql);
        await using var reader = await command.ExecuteReaderAsync();
        var rows = new List<string>();
        while (await reader.ReadAsync())
        {
            rows.Add(string.Join(' ', Enumerable.Range(0, reader.FieldCount).Select(column => reader.GetValue(column))));
        }

        return rows;
    }
}
