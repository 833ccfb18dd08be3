using System.Collections.Concurrent;

namespace Guru.Sandbox.Twilio;

/// <summary>
/// Who may be written to without a template: whoever wrote or called, and whoever took a call, in the last 24 hours.
/// </summary>
public sealed class ServiceWindow(TimeProvider clock)
{
    private readonly ConcurrentDictionary<string, DateTimeOffset> _openedAt = new(StringComparer.Ordinal);

    public static TimeSpan Length { get; } = TimeSpan.FromHours(24);

    /// <param name="person">With the scheme, as in From.</param>
    public bool IsOpen(string person) => _openedAt.TryGetValue(person, out var openedAt) && clock.GetUtcNow() - openedAt < Length;

    /// <summary>The person has ever been in touch.</summary>
    public bool Knows(string person) => _openedAt.ContainsKey(person);

    /// <summary>For 24 hours from now.</summary>
    public void Open(string person) => _openedAt[person] = clock.GetUtcNow();

    /// <summary>As when 24 hours had passed for this person.</summary>
    public void Close(string person) => _openedAt[person] = DateTimeOffset.MinValue;
}
