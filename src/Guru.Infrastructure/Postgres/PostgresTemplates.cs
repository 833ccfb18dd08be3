using Guru.Application.Calling;
using Npgsql;

namespace Guru.Infrastructure.Postgres;

internal sealed class PostgresTemplates(NpgsqlDataSource dataSource) : ITemplates
{
    public async Task<Template?> FindAsync(TemplateKind kind, string? language, CancellationToken cancellationToken)
    {
        await using var command = dataSource.CreateCommand(
            "select language, content_sid, body from guru.templates where kind = $1 and language in ($2, 'en') order by language = $2 desc limit 1");
        command.Parameters.Add(new() { Value = EnumText.Of(kind) });
        command.Parameters.Add(new() { Value = language ?? "en" });
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        return await reader.ReadAsync(cancellationToken) ? new Template(kind, reader.GetString(0), reader.GetString(1), reader.GetString(2)) : null;
    }

    public async Task SaveAsync(Template template, CancellationToken cancellationToken)
    {
        await using var command = dataSource.CreateCommand(
            """
            insert into guru.templates (kind, language, content_sid, body) values ($1, $2, $3, $4)
            on conflict (kind, language) do update set content_sid = excluded.content_sid, body = excluded.body, made_at = now()
            """);
        command.Parameters.Add(new() { Value = EnumText.Of(template.Kind) });
        command.Parameters.Add(new() { Value = template.Language });
        command.Parameters.Add(new() { Value = template.ContentSid });
        command.Parameters.Add(new() { Value = template.Body });
        await command.ExecuteNonQueryAsync(cancellationToken);
    }
}
