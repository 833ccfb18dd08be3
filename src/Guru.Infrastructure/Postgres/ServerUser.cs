using System.Diagnostics;

namespace Guru.Infrastructure.Postgres;

/// <summary>
/// Who PostgreSQL runs as. It refuses to run as root, so a Guru that is root runs it as <c>postgres</c>; otherwise it is the user
/// that Guru is.
/// </summary>
internal sealed class ServerUser
{
    private const string Postgres = "postgres";
    private readonly string[] _become;

    private ServerUser(string? name, string[] become) => (Name, _become) = (name, become);

    /// <summary>Null for the user that Guru is.</summary>
    public string? Name { get; }

    public static async Task<ServerUser> ChooseAsync(CancellationToken cancellationToken)
    {
        if (!Environment.IsPrivilegedProcess)
        {
            return new ServerUser(name: null, []);
        }

        string[][] ways =
        [
            ["setpriv", $"--reuid={Postgres}", $"--regid={Postgres}", "--init-groups", "--"],
            ["runuser", "-u", Postgres, "--"],
            ["su", Postgres, "-s", "/bin/sh", "-c", "exec \"$0\" \"$@\"", "--"],
        ];
        foreach (var way in ways)
        {
            var user = new ServerUser(Postgres, way);
            if ((await user.RunAsync("true", [], cancellationToken)).Succeeded)
            {
                return user;
            }
        }

        throw new EmbeddedPostgresException(
            "Guru runs as root, and PostgreSQL must not: create a user 'postgres' (apt install postgresql does), run Guru as another user, or set DATABASE_URL.");
    }

    /// <summary>Whether this user can work in a directory; as root, one may own it and still not be let through to it.</summary>
    public async Task<bool> CanUseAsync(string directory, CancellationToken cancellationToken) =>
        (await RunAsync("sh", ["-c", "cd \"$0\" && test -r . && test -w .", directory], cancellationToken)).Succeeded;

    public async Task OwnAsync(string path, CancellationToken cancellationToken)
    {
        if (Name is not null)
        {
            var chown = await ProcessResult.RunAsync("chown", [$"{Name}:", path], cancellationToken);
            chown.Demand($"{path} could not be given to the user {Name}");
        }
    }

    public Task<ProcessResult> RunAsync(string program, IReadOnlyList<string> arguments, CancellationToken cancellationToken)
    {
        string[] line = [.. _become, program, .. arguments];
        return ProcessResult.RunAsync(line[0], line[1..], cancellationToken);
    }
}

/// <summary>How a program ended, and what it said.</summary>
internal sealed record ProcessResult(int ExitCode, string Output)
{
    private const int NotFound = 127;

    public bool Succeeded => ExitCode == 0;

    public void Demand(string otherwise)
    {
        if (!Succeeded)
        {
            throw new EmbeddedPostgresException($"{otherwise}: {Output.Trim().ReplaceLineEndings("; ")}");
        }
    }

    public static async Task<ProcessResult> RunAsync(string program, IEnumerable<string> arguments, CancellationToken cancellationToken)
    {
        var start = new ProcessStartInfo(program, arguments)
        {
            UseShellExecute = false,
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            WorkingDirectory = "/", // The server's user may not be allowed where we are.
        };

        // PGDATA, PGPORT and the like are about other servers; and errors are to be read in English.
        foreach (var variable in start.Environment.Keys.Where(name => name.StartsWith("PG", StringComparison.Ordinal)).ToList())
        {
            start.Environment.Remove(variable);
        }

        start.Environment["LC_ALL"] = "C";
        try
        {
            using var process = Process.Start(start)!;
            process.StandardInput.Close();
            var output = process.StandardOutput.ReadToEndAsync(cancellationToken);
            var errors = process.StandardError.ReadToEndAsync(cancellationToken);
            await process.WaitForExitAsync(cancellationToken);
            return new ProcessResult(process.ExitCode, await output + await errors);
        }
        catch (System.ComponentModel.Win32Exception)
        {
            return new ProcessResult(NotFound, $"{program} was not found");
        }
    }
}
