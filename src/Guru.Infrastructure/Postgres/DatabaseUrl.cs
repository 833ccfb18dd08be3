using Npgsql;

namespace Guru.Infrastructure.Postgres;

/// <summary>
/// Reads DATABASE_URL: <c>postgres://user:password@host:port/database?sslmode=require</c>, as hosting providers give it, or a
/// connection string as Npgsql takes it.
/// </summary>
#pragma warning disable MA0054 // Inner exceptions would repeat parts of the address, and with it the password.
public static class DatabaseUrl
{
    private static readonly string[] Schemes = ["postgres://", "postgresql://"];

    /// <summary>libpq's names for what Npgsql calls otherwise; names both know need no line here.</summary>
    private static readonly Dictionary<string, string> Names = new(StringComparer.OrdinalIgnoreCase)
    {
        ["sslmode"] = "SSL Mode",
        ["sslrootcert"] = "Root Certificate",
        ["sslcert"] = "SSL Certificate",
        ["sslkey"] = "SSL Key",
        ["sslnegotiation"] = "SSL Negotiation",
        ["channel_binding"] = "Channel Binding",
        ["application_name"] = "Application Name",
        ["connect_timeout"] = "Timeout",
        ["target_session_attrs"] = "Target Session Attributes",
        ["search_path"] = "Search Path",
        ["options"] = "Options",
        ["user"] = "Username",
        ["password"] = "Password",
        ["host"] = "Host",
        ["port"] = "Port",
        ["dbname"] = "Database",
    };

    /// <exception cref="FormatException">Neither; the message does not repeat it, since it holds a password.</exception>
    public static NpgsqlConnectionStringBuilder Parse(string url)
    {
        var scheme = Schemes.FirstOrDefault(scheme => url.StartsWith(scheme, StringComparison.OrdinalIgnoreCase));
        try
        {
            var connection = scheme is null ? new NpgsqlConnectionStringBuilder(url) : ParseUrl(url[scheme.Length..]);
            return string.IsNullOrEmpty(connection.Host) ? throw new FormatException("DATABASE_URL names no host.") : connection;
        }
        catch (Exception e) when (e is ArgumentException or KeyNotFoundException or FormatException or OverflowException)
        {
            throw new FormatException(
                e is FormatException { Message: var message } && message.StartsWith("DATABASE_URL", StringComparison.Ordinal)
                    ? message
                    : "DATABASE_URL is neither postgres://user:password@host:port/database nor a connection string of Npgsql.");
        }
    }

    private static NpgsqlConnectionStringBuilder ParseUrl(string rest)
    {
        var (address, query) = Cut(rest, rest.IndexOf('?', StringComparison.Ordinal));

        // Passwords with an @ that nobody encoded are met; hosts with one are not.
        var (user, place) = address.LastIndexOf('@') is var at and >= 0 ? Cut(address, at) : ("", address);
        var (name, password) = Cut(user, user.IndexOf(':', StringComparison.Ordinal));
        var (host, database) = Cut(place, place.IndexOf('/', StringComparison.Ordinal));

        var connection = new NpgsqlConnectionStringBuilder();
        SetHost(connection, host);
        Set(connection, "Username", name);
        Set(connection, "Password", password);
        Set(connection, "Database", database);
        foreach (var pair in query.Split('&', StringSplitOptions.RemoveEmptyEntries))
        {
            var (key, value) = Cut(pair, pair.IndexOf('=', StringComparison.Ordinal));
            SetOption(connection, Uri.UnescapeDataString(key), value);
        }

        return connection;
    }

    private static void SetHost(NpgsqlConnectionStringBuilder connection, string host)
    {
        var (name, port) = host switch
        {
            ['[', ..] => Cut(host[1..], Demand(host.IndexOf(']', StringComparison.Ordinal) - 1)), // An IPv6 address.
            _ when host.Contains(',', StringComparison.Ordinal) => (host, ""), // Several, which Npgsql reads by itself.
            _ => Cut(host, host.LastIndexOf(':')),
        };
        Set(connection, "Host", name);
        Set(connection, "Port", port.TrimStart(':'));
    }

    private static void SetOption(NpgsqlConnectionStringBuilder connection, string key, string value)
    {
        try
        {
            // libpq writes verify-full, Npgsql VerifyFull.
            var isWord = key is "sslmode" or "sslnegotiation";
            Set(connection, Names.GetValueOrDefault(key, key), isWord ? value.Replace("-", "", StringComparison.Ordinal) : value);
        }
        catch (Exception e) when (e is ArgumentException or KeyNotFoundException)
        {
            throw new FormatException($"DATABASE_URL has a parameter '{key}' that is unknown here, or has a value that is.");
        }
    }

    private static void Set(NpgsqlConnectionStringBuilder connection, string key, string value)
    {
        if (value.Length > 0)
        {
            connection[key] = Uri.UnescapeDataString(value);
        }
    }

    private static int Demand(int at) => at >= 0 ? at : throw new FormatException("DATABASE_URL has a [ without its ].");

    private static (string Before, string After) Cut(string text, int at) => at < 0 ? (text, "") : (text[..at], text[(at + 1)..]);
}
