using System.Runtime.Versioning;
using System.Security.Cryptography;
using System.Text;

namespace Guru.Infrastructure.Postgres;

/// <summary>
/// Where the embedded server lives: <c>postgres</c> in Guru's data directory, or, where the server's user may not look, a
/// directory of the refuge with a link in that place. Holds <c>cluster</c> (PostgreSQL's data directory) and <c>server.log</c>.
/// </summary>
internal sealed class PostgresHome
{
    private const string Unfinished = "initdb-";
    private const UnixFileMode OwnerOnly = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute;
    private const UnixFileMode OwnerFile = UnixFileMode.UserRead | UnixFileMode.UserWrite;

    private readonly string _directory;
    private readonly ServerUser _user;

    private PostgresHome(string directory, ServerUser user) => (_directory, _user) = (directory, user);

    public string Cluster => Path.Combine(_directory, "cluster");

    public string Log => Path.Combine(_directory, "server.log");

    public string Directory => _directory;

    /// <summary>The major version that made the cluster, such as 15; null where there is none.</summary>
    public string? ClusterVersion =>
        Path.Combine(Cluster, "PG_VERSION") is var file && File.Exists(file) ? File.ReadAllText(file).Trim() : null;

    [UnsupportedOSPlatform("windows")]
    public static async Task<PostgresHome> FindOrMakeAsync(
        string dataDirectory, ServerUser user, string refuge, CancellationToken cancellationToken)
    {
        var place = Path.Combine(dataDirectory, "postgres");
        if (new DirectoryInfo(place) is { LinkTarget: not null } link)
        {
            if (link.ResolveLinkTarget(returnFinalTarget: true) is DirectoryInfo { Exists: true } target)
            {
                return new PostgresHome(target.FullName, user);
            }

            File.Delete(place); // What it pointed at is gone: a new cluster.
        }

        if (!System.IO.Directory.Exists(place))
        {
            await MakeAsync(place, user, cancellationToken);
            if (!await user.CanUseAsync(place, cancellationToken))
            {
                System.IO.Directory.Delete(place);
                return await MakeElsewhereAsync(place, user, refuge, cancellationToken);
            }
        }
        else if (!await user.CanUseAsync(place, cancellationToken))
        {
            throw new EmbeddedPostgresException(
                $"{place} belongs to another user than {user.Name ?? Environment.UserName}: run Guru as the user it was first run as, or set another GURU_DATA_DIR.");
        }

        return new PostgresHome(place, user);
    }

    /// <summary>Makes the cluster if there is none, and returns the password of its superuser.</summary>
    [UnsupportedOSPlatform("windows")]
    public async Task<string> PasswordAsync(PostgresBinaries binaries, CancellationToken cancellationToken)
    {
        foreach (var left in System.IO.Directory.GetDirectories(_directory, Unfinished + "*"))
        {
            System.IO.Directory.Delete(left, recursive: true); // An earlier start was killed half way.
        }

        if (!System.IO.Directory.Exists(Cluster))
        {
            await InitializeAsync(binaries, cancellationToken);
        }

        return (await File.ReadAllTextAsync(PasswordFile(Cluster), cancellationToken)).Trim();
    }

    /// <summary>The password is in the cluster it belongs to, so that one rename brings both.</summary>
    private static string PasswordFile(string cluster) => Path.Combine(cluster, "guru.password");

    [UnsupportedOSPlatform("windows")]
    private static async Task MakeAsync(string directory, ServerUser user, CancellationToken cancellationToken)
    {
        System.IO.Directory.CreateDirectory(directory, OwnerOnly);
        await user.OwnAsync(directory, cancellationToken);
    }

    [UnsupportedOSPlatform("windows")]
    private static async Task<PostgresHome> MakeElsewhereAsync(
        string place, ServerUser user, string refuge, CancellationToken cancellationToken)
    {
        System.IO.Directory.CreateDirectory(refuge);
        var directory = Path.Combine(refuge, Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(8)));
        await MakeAsync(directory, user, cancellationToken);
        if (!await user.CanUseAsync(directory, cancellationToken))
        {
            System.IO.Directory.Delete(directory);
            throw new EmbeddedPostgresException(
                $"The user {user.Name} can look neither into {place} nor into {refuge}: set GURU_DATA_DIR to a place it can reach.");
        }

        File.CreateSymbolicLink(place, directory);
        return new PostgresHome(directory, user);
    }

    /// <summary>In a directory beside, renamed when it is complete: a cluster that is there is a whole one.</summary>
    [UnsupportedOSPlatform("windows")]
    private async Task InitializeAsync(PostgresBinaries binaries, CancellationToken cancellationToken)
    {
        var stage = Path.Combine(_directory, Unfinished + Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(4)));
        System.IO.Directory.CreateDirectory(stage, OwnerOnly);

        // By file, since anybody may read a command line. The directory changes hands last: no link can be laid in it before.
        var passwordFile = Path.Combine(stage, "password");
        await using (var file = new FileStream(
            passwordFile, new FileStreamOptions { Mode = FileMode.CreateNew, Access = FileAccess.Write, UnixCreateMode = OwnerFile }))
        {
            await file.WriteAsync(Encoding.ASCII.GetBytes(Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(24))), cancellationToken);
        }

        await _user.OwnAsync(passwordFile, cancellationToken);
        await _user.OwnAsync(stage, cancellationToken);
        var cluster = Path.Combine(stage, "cluster");
        var initdb = await _user.RunAsync(
            binaries.Initdb,
            [
                "-D", cluster, "-U", PostgresServer.User, $"--pwfile={passwordFile}", "--auth=scram-sha-256",
                "--encoding=UTF8", "--locale=C.UTF-8", "--data-checksums",
            ],
            cancellationToken);
        initdb.Demand("PostgreSQL could not create its data directory");
        File.Move(passwordFile, PasswordFile(cluster));
        System.IO.Directory.Move(cluster, Cluster);
        System.IO.Directory.Delete(stage, recursive: true);
    }
}
