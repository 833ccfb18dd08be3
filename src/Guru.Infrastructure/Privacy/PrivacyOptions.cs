using Guru.Infrastructure.Postgres;

namespace Guru.Infrastructure.Privacy;

/// <summary>Section <c>Guru:Privacy</c>.</summary>
public sealed class PrivacyOptions
{
    /// <summary>The directory of the erasure lists; it must not be part of what a backup puts back.</summary>
    public string? ErasureListPath { get; set; }

    public string ErasureListIn(DatabaseOptions database) =>
        string.IsNullOrWhiteSpace(ErasureListPath) ? Path.Combine(database.DataDirectory, "erasures") : ErasureListPath;
}
