using System.Globalization;
using System.Text;

namespace Guru.EndToEnd.Tests;

/// <summary>What no honest side sends, the same for an equal seed, and what is kept of it in files.</summary>
internal static class Hostile
{
    private static readonly string[] Known =
    [
        "", " ", "null", "-1", "0", "2147483648", "99999999999999999999", "1e400", "NaN", "0x10", "true", "none", "'; drop table guru.calls; --", "' or 1=1 --", "%00", "\u0000", "a\u0000b",
        "🙂🙂🙂", "\u202Etxt.exe", "e\u0301", "\uFFFE", "İ", "../../etc/passwd", "{}", "[]", "2026-02-30", "0001-01-01T00:00:00Z", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59.9999999-14:00",
        "CA00000000000000000000000000000002", "whatsapp:+233201234567", "whatsapp:+", "US.1", "AC1", "completed", "in-progress", "ringing", "sending,failed", "\"quoted", "a\r\nX-Injected: 1", "<Response/>",
        "*", "%", "_", "\\", "-", ",,,,", "a,b", "$1", "${jndi:ldap://x}", "file:///etc/passwd", "http://[", "http://127.0.0.1:1/x",
    ];

    /// <summary>The lines of a kept file; those that begin with # say something about the next.</summary>
    public static IEnumerable<string> Kept(string file) =>
        File.ReadLines(Path.Combine(AppContext.BaseDirectory, "Corpus", file)).Where(line => line.Length > 0 && !line.StartsWith('#'));

    public static T Of<T>(this Random random, IReadOnlyList<T> choices) => choices[random.Next(choices.Count)];

    public static string Text(Random random) => random.Next(8) switch
    {
        0 => new string(random.Of("x0,-/%\u4E2D".ToCharArray()), random.Next(1, 900)),
        1 => string.Concat(Enumerable.Range(0, random.Next(1, 40)).Select(_ => Sign(random))),
        2 => random.NextInt64(long.MinValue, long.MaxValue).ToString(CultureInfo.InvariantCulture),
        _ => random.Of(Known),
    };

    private static Rune Sign(Random random)
    {
        while (true)
        {
            if (Rune.TryCreate(random.Next(3) == 0 ? random.Next(1, 0x20) : random.Next(0x11_0000), out var sign))
            {
                return sign;
            }
        }
    }
}
