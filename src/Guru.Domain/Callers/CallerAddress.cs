using System.Diagnostics.CodeAnalysis;

namespace Guru.Domain.Callers;

/// <summary>
/// How a caller is reached on WhatsApp: a phone number in E.164 form, or a business-scoped user id such as
/// <c>US.13491208655302741918</c> for people who hide their number behind a username.
/// </summary>
public readonly record struct CallerAddress
{
    private const string Scheme = "whatsapp:";
    private const int MaxLength = 140;

    private CallerAddress(string value) => Value = value;

    /// <summary>The address without the <c>whatsapp:</c> scheme.</summary>
    public string Value { get; }

    public bool IsPhoneNumber => Value.StartsWith('+');

    /// <summary>Reads an address with or without the <c>whatsapp:</c> scheme.</summary>
    public static bool TryParse([NotNullWhen(true)] string? text, out CallerAddress address)
    {
        address = default;
        if (text is null || text.Length > MaxLength)
        {
            return false;
        }

        var value = text.StartsWith(Scheme, StringComparison.OrdinalIgnoreCase) ? text[Scheme.Length..] : text;
        if (!IsE164(value) && !IsBusinessScopedId(value))
        {
            return false;
        }

        address = new CallerAddress(value);
        return true;
    }

    /// <summary>As <see cref="TryParse"/>.</summary>
    /// <exception cref="FormatException">It is not an address.</exception>
    public static CallerAddress Parse(string text) => TryParse(text, out var address) ? address : throw new FormatException("Not a WhatsApp address.");

    /// <summary>The address as Twilio writes it.</summary>
    public string ToWhatsApp() => Scheme + Value;

    /// <summary>Enough to tell two callers apart on a screen, too little to reach either.</summary>
    public string Masked() => Mask(Value);

    public static string Mask(string address) => address.Length <= 4 ? "***" : $"{address[..2]}***{address[^2..]}";

    public override string ToString() => Value is null ? "" : Masked();

    private static bool IsE164(string value) =>
        value.Length is >= 6 and <= 16 && value[0] == '+' && value[1] is >= '1' and <= '9' && value.AsSpan(1).IndexOfAnyExceptInRange('0', '9') < 0;

    private static bool IsBusinessScopedId(string value) =>
        value.Length > 3 && value[2] == '.' && char.IsAsciiLetterUpper(value[0]) && char.IsAsciiLetterUpper(value[1])
        && value.AsSpan(3).IndexOfAnyExcept(BusinessScopedCharacters) < 0;

    private static readonly System.Buffers.SearchValues<char> BusinessScopedCharacters =
        System.Buffers.SearchValues.Create("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789.");
}
