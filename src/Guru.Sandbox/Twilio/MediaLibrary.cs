using System.Collections.Concurrent;
using Guru.Sandbox.Timing;

namespace Guru.Sandbox.Twilio;

/// <summary>A medium that came with a message.</summary>
public sealed record StoredMedium(
    string Sid, string MessageSid, string ContentType, ReadOnlyMemory<byte> Content, DateTimeOffset CreatedAt);

/// <summary>A request for a medium.</summary>
/// <param name="AtCdn">At the second address, where the bytes are.</param>
/// <param name="HadCredentials">It carried an Authorization header.</param>
/// <param name="Status">How it was answered.</param>
public sealed record MediaRequest(string MediaSid, bool AtCdn, bool HadCredentials, int Status);

/// <summary>How media are handed out.</summary>
public sealed record MediaFaults
{
    public static MediaFaults None { get; } = new();

    /// <summary>Of the first answer, in place of 307.</summary>
    public int RedirectStatus { get; init; } = 307;

    /// <summary>The second address answers so, and gives nothing.</summary>
    public int? CdnStatus { get; init; }

    /// <summary>The bytes come without their number.</summary>
    public bool WithoutLength { get; init; }

    /// <summary>The connection breaks after so many bytes.</summary>
    public int? BreaksAfter { get; init; }

    /// <summary>How long the second address is good for.</summary>
    public TimeSpan ExpiresAfter { get; init; } = TimeSpan.FromMinutes(2);
}

/// <summary>The media of the messages, and who asked for them.</summary>
public sealed class MediaLibrary
{
    private readonly ConcurrentDictionary<string, StoredMedium> _bySid = new(StringComparer.Ordinal);

    public Journal<MediaRequest> Requests { get; } = new();

    public MediaFaults Faults { get; set; } = MediaFaults.None;

    public IReadOnlyList<StoredMedium> Of(string messageSid) => [.. _bySid.Values.Where(medium => medium.MessageSid == messageSid)];

    public StoredMedium? Find(string messageSid, string sid) =>
        _bySid.TryGetValue(sid, out var medium) && medium.MessageSid == messageSid ? medium : null;

    internal StoredMedium? Find(string sid) => _bySid.GetValueOrDefault(sid);

    internal bool Remove(string messageSid, string sid) => Find(messageSid, sid) is not null && _bySid.TryRemove(sid, out _);

    /// <returns>The address that the webhook names.</returns>
    internal Uri Add(Uri api, string account, string messageSid, string contentType, ReadOnlyMemory<byte> content)
    {
        var medium = new StoredMedium(TwilioIds.New("ME"), messageSid, contentType, content, TimeProvider.System.GetUtcNow());
        _bySid[medium.Sid] = medium;
        return new Uri(api, $"/2010-04-01/Accounts/{account}/Messages/{messageSid}/Media/{medium.Sid}");
    }
}
