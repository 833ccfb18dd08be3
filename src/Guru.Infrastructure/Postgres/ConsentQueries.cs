using Guru.Application.Calling;
using Guru.Domain.Callers;
using Guru.Domain.Conversations;
using Npgsql;

namespace Guru.Infrastructure.Postgres;

internal sealed class ConsentQueries(NpgsqlDataSource dataSource, TimeProvider time) : IConsentQueries
{
    private const int MostEntries = 1000;

    public async Task<ConsentLedger?> FindAsync(IReadOnlyList<CallerId> callerIds, CancellationToken cancellationToken)
    {
        await using var command = dataSource.CreateCommand(
            """
            select at, type, request_id, grant_id, message_sid, call_sid, expires_at, due_at, reasons, outcome, error_code, note, caller_id
            from guru.consent where caller_id = any ($1) order by at desc, entry_id desc limit $2
            """);
        command.Parameters.Add(new() { Value = callerIds.Select(id => id.Value).ToArray() });
        command.Parameters.Add(new() { Value = MostEntries });
        var (entries, own) = (new List<ConsentEntry>(), new List<ConsentEntry>());
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        while (await reader.ReadAsync(cancellationToken))
        {
            var entry = Entry(reader);
            entries.Add(entry);
            if (reader.GetString(12) == callerIds[0].Value)
            {
                own.Add(entry);
            }
        }

        entries.Reverse();
        return entries.Count == 0 ? null : Ledger(callerIds[0], entries, own);
    }

    /// <param name="own">Of the id that the person is known by, newest first.</param>
    private ConsentLedger Ledger(CallerId callerId, List<ConsentEntry> entries, List<ConsentEntry> own)
    {
        var last = own.Find(entry => entry.Type is nameof(CallPermissionGranted) or nameof(CallPermissionDeclined) or nameof(CallPermissionRevoked) or nameof(CallerErased));
        var permission = last?.Type switch
        {
            nameof(CallPermissionGranted) => last.ExpiresAt <= time.GetUtcNow() ? "expired" : "granted",
            nameof(CallPermissionDeclined) => "declined",
            nameof(CallPermissionRevoked) => "revoked",
            nameof(CallerErased) => "erased",
            _ => "none",
        };
        return new ConsentLedger(callerId.Value, permission, last?.GrantId, last?.ExpiresAt, entries);
    }

    private static ConsentEntry Entry(NpgsqlDataReader reader) => new(
        At: reader.GetFieldValue<DateTimeOffset>(0),
        Type: reader.GetString(1),
        RequestId: TextOrNull(reader, 2),
        GrantId: TextOrNull(reader, 3),
        MessageSid: TextOrNull(reader, 4),
        CallSid: TextOrNull(reader, 5),
        ExpiresAt: TimeOrNull(reader, 6),
        DueAt: TimeOrNull(reader, 7),
        Reasons: TextOrNull(reader, 8)?.Split(' ', StringSplitOptions.RemoveEmptyEntries) ?? [],
        Outcome: TextOrNull(reader, 9),
        ErrorCode: reader.IsDBNull(10) ? null : reader.GetInt32(10),
        Note: TextOrNull(reader, 11));

    private static string? TextOrNull(NpgsqlDataReader reader, int column) => reader.IsDBNull(column) ? null : reader.GetString(column);

    private static DateTimeOffset? TimeOrNull(NpgsqlDataReader reader, int column) => reader.IsDBNull(column) ? null : reader.GetFieldValue<DateTimeOffset>(column);
}
