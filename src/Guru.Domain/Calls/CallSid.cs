using System.Diagnostics.CodeAnalysis;

namespace Guru.Domain.Calls;

/// <summary>Twilio's id of a call (<c>CA</c> and 32 hexadecimal digits), or OpenAI's of a webapp call (<c>rtc_...</c>).</summary>
public readonly record struct CallSid
{
    private CallSid(string value) => Value = value;

    public string Value { get; }

    /// <summary>Of a call between a browser and the model, which Guru attends.</summary>
    public bool IsWebapp => Value.StartsWith(WebappPrefix, StringComparison.Ordinal);

    public static bool TryParse([NotNullWhen(true)] string? text, out CallSid sid)
    {
        sid = default;
        var twilio = text is { Length: 34 } && text.StartsWith("CA", StringComparison.Ordinal) && text.AsSpan(2).IndexOfAnyExcept(Hex) < 0;
        var webapp = text is { Length: > 4 and <= 100 } && text.StartsWith(WebappPrefix, StringComparison.Ordinal)
            && text.AsSpan(4).IndexOfAnyExcept(WebappCharacters) < 0;
        if (!twilio && !webapp)
        {
            return false;
        }

        sid = new CallSid(text!);
        return true;
    }

    public static CallSid Parse(string text) => TryParse(text, out var sid) ? sid : throw new FormatException("Not a call SID.");

    public override string ToString() => Value ?? "";

    private const string WebappPrefix = "rtc_";

    private static readonly System.Buffers.SearchValues<char> Hex = System.Buffers.SearchValues.Create("0123456789abcdefABCDEF");
    private static readonly System.Buffers.SearchValues<char> WebappCharacters =
        System.Buffers.SearchValues.Create("0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_-");
}
