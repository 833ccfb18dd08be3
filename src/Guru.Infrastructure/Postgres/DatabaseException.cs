using System.Net.Sockets;
using Npgsql;

namespace Guru.Infrastructure.Postgres;

/// <summary>The database that DATABASE_URL names cannot be used. The message says where it is, what is wrong and how to mend it, and holds no password.</summary>
public sealed class DatabaseException(string message, Exception? inner = null) : Exception(message, inner)
{
    internal static DatabaseException Of(Exception error, NpgsqlConnectionStringBuilder connection)
    {
        var user = connection.Username ?? Environment.UserName;
        var database = connection.Database ?? user;
        var wrong = error switch
        {
            PostgresException { SqlState: PostgresErrorCodes.InvalidPassword or PostgresErrorCodes.InvalidAuthorizationSpecification } e =>
                $"refuses the user {user} ({e.MessageText}): correct the user and the password.",
            PostgresException { SqlState: PostgresErrorCodes.InvalidCatalogName } =>
                $"has no database {database}: correct the name, or make it: {Creation(database)}",
            PostgresException { SqlState: PostgresErrorCodes.InsufficientPrivilege } e =>
                $"keeps the user {user} from what Guru needs in the database {database} ({e.MessageText}): let the database belong to that user, or grant it all rights on it: "
                + $"grant all on database {database} to {user}",
            PostgresException e => $"refuses ({e.SqlState}: {e.MessageText}).",
            _ when Within<SocketException>(error) is { } socket => socket.SocketErrorCode switch
            {
                SocketError.HostNotFound or SocketError.TryAgain or SocketError.NoData or SocketError.NoRecovery => "is not known by that name: correct the host.",
                SocketError.ConnectionRefused => "does not listen: start it, or correct the host and the port.",
                _ => $"cannot be reached ({socket.Message}): correct the host and the port, or let this machine reach it.",
            },
            _ when Within<TimeoutException>(error) is not null => "does not answer: correct the host and the port, or let this machine reach it.",
            _ => $"cannot be used: {error.Message}",
        };
        return new DatabaseException($"DATABASE_URL: the server {Place(connection)} {wrong}", error);
    }

    internal static DatabaseException OfEncoding(string encoding, NpgsqlConnectionStringBuilder connection)
    {
        var database = connection.Database ?? connection.Username ?? Environment.UserName;
        return new($"DATABASE_URL: the database {database} of the server {Place(connection)} has the encoding {encoding}, and Guru needs UTF8: name another, made with: {Creation(database)}");
    }

    /// <summary>Whatever the server's own encoding is.</summary>
    private static string Creation(string database) => $"createdb --encoding=UTF8 --template=template0 {database}";

    /// <summary>Several hosts, and those that bring a port of their own, stand as they are.</summary>
    private static string Place(NpgsqlConnectionStringBuilder connection) =>
        connection.Host!.Contains(',', StringComparison.Ordinal) ? $"at {connection.Host}" : $"at {connection.Host}:{connection.Port}";

    private static TError? Within<TError>(Exception? error)
        where TError : Exception
    {
        for (; error is not null; error = error.InnerException)
        {
            if (error is TError found)
            {
                return found;
            }
        }

        return null;
    }
}
