using System.Collections.Immutable;
using System.Globalization;
using System.Text;
using Guru.Application.Privacy;
using Guru.Domain.Callers;

namespace Guru.Infrastructure.Privacy;

/// <summary>
/// The erasure list in a directory: a file for each node, a line for each erasing, <c>{callerId} {time}</c>. Lines are only added, and are on disk
/// before anybody is told; one that was cut off by a crash is skipped.
/// </summary>
public sealed class ErasureListFile(string directory, string node) : IErasureList, IDisposable
{
    private const string Extension = ".erasures";
    private readonly string _own = Path.Combine(directory, node + Extension);
    private readonly SemaphoreSlim _turn = new(1);

    public async Task AddAsync(IReadOnlyCollection<Erasure> erasures, CancellationToken cancellationToken)
    {
        var lines = new StringBuilder();
        foreach (var (callerId, at) in erasures)
        {
            lines.Append(callerId.Value).Append(' ').Append(at.ToUniversalTime().ToString("O", CultureInfo.InvariantCulture)).Append('\n');
        }

        await _turn.WaitAsync(cancellationToken);
        try
        {
            Directory.CreateDirectory(directory);
            var options = new FileStreamOptions { Mode = FileMode.OpenOrCreate, Access = FileAccess.ReadWrite, Share = FileShare.ReadWrite };
            if (!OperatingSystem.IsWindows())
            {
                options.UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite;
            }

            await using var file = new FileStream(_own, options);
            if (file.Length > 0)
            {
                file.Seek(-1, SeekOrigin.End);
                if (file.ReadByte() != '\n')
                {
                    lines.Insert(0, '\n'); // The last line was cut off.
                }
            }

            await file.WriteAsync(Encoding.ASCII.GetBytes(lines.ToString()), cancellationToken);
            file.Flush(flushToDisk: true);
        }
        finally
        {
            _turn.Release();
        }
    }

    public async Task<IReadOnlySet<Erasure>> OwnAsync(CancellationToken cancellationToken) =>
        File.Exists(_own) ? (await ReadAsync(_own, cancellationToken)).ToHashSet() : ImmutableHashSet<Erasure>.Empty;

    public async Task<IReadOnlyList<Erasure>> AllAsync(CancellationToken cancellationToken)
    {
        var all = new List<Erasure>();
        foreach (var file in Directory.Exists(directory) ? Directory.GetFiles(directory, "*" + Extension) : [])
        {
            all.AddRange(await ReadAsync(file, cancellationToken));
        }

        return [.. all.GroupBy(erasure => erasure.CallerId).Select(group => group.MaxBy(erasure => erasure.At))];
    }

    public void Dispose() => _turn.Dispose();

    private static async Task<IEnumerable<Erasure>> ReadAsync(string path, CancellationToken cancellationToken) =>
        (await File.ReadAllLinesAsync(path, cancellationToken)).Select(Parse).OfType<Erasure>();

    private static Erasure? Parse(string line) =>
        line.Split(' ') is [var id, var time] && CallerId.TryParse(id, out var callerId)
        && DateTimeOffset.TryParseExact(time, "O", CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal | DateTimeStyles.AdjustToUniversal, out var at)
            ? new Erasure(callerId, at)
            : null;
}
