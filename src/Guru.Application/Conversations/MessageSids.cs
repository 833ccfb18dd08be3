using System.Text.RegularExpressions;
using FluentValidation;

namespace Guru.Application.Conversations;

internal static partial class MessageSids
{
    public static void MustBeMessageSid<T>(this IRuleBuilder<T, string?> rule) =>
        rule.Must(sid => sid is not null && Sid().IsMatch(sid)).WithMessage("MessageSid must be SM or MM and 32 hexadecimal digits.");

    [GeneratedRegex("^[SM]M[0-9a-fA-F]{32}$", RegexOptions.None, matchTimeoutMilliseconds: 1000)]
    private static partial Regex Sid();
}
