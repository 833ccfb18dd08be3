using System.Collections.Frozen;

namespace Guru.Infrastructure.Postgres;

/// <summary>Enums in read models are written as in the contract: camelCase.</summary>
internal static class EnumText
{
    public static string Of<T>(T value)
        where T : struct, Enum => Names<T>.ByValue.GetValueOrDefault(value) ?? throw new ArgumentOutOfRangeException(nameof(value));

    public static T Read<T>(string text)
        where T : struct, Enum => Enum.Parse<T>(text, ignoreCase: true);

    private static class Names<T>
        where T : struct, Enum
    {
        public static readonly FrozenDictionary<T, string> ByValue =
            Enum.GetValues<T>().ToFrozenDictionary(value => value, value => EventJson.NameOf(value.ToString()));
    }
}
