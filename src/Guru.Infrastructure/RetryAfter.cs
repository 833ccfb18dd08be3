using System.Net.Http.Headers;

namespace Guru.Infrastructure;

/// <summary>Retry-After, in seconds or as a date, as a length of time from now.</summary>
internal static class RetryAfter
{
    /// <returns>Never negative; null where the header is missing or cannot be read.</returns>
    public static TimeSpan? Of(string? header, TimeProvider time)
    {
        if (!RetryConditionHeaderValue.TryParse(header, out var value))
        {
            return null;
        }

        var wait = value.Delta ?? value.Date - time.GetUtcNow();
        return wait < TimeSpan.Zero ? TimeSpan.Zero : wait;
    }
}
