using Guru.Domain.Calls;

namespace Guru.Domain.Costs;

/// <summary>
/// What the model and the carrier cost, in US dollars. Each price holds from its date (UTC) until the next one of the same thing; what was used
/// before the first date goes by the first price.
/// </summary>
/// <param name="Dated">When the table was last looked over.</param>
public sealed record PriceTable(DateOnly Dated, IReadOnlyList<ModelPrice> Models, IReadOnlyList<CarrierPrice> Carrier)
{
    /// <summary>Decimal places of an amount; prices have few enough of them for sums of amounts to be exact.</summary>
    public const int Decimals = 10;

    /// <summary>OpenAI counts the caller's audio as a token for each 100 ms.</summary>
    private const decimal CallerTokensPerSecond = 10;

    private const decimal Million = 1_000_000;
    private const int SecondsPerMinute = 60;

    /// <summary>What a response or a transcription cost; null where the table has no price for its model.</summary>
    public UsageCost? Of(UsageRecorded usage) =>
        In(Models.Where(price => price.Model == Undated(usage.Model)), price => price.From, usage.At) switch
        {
            null => null,
            { PerMinute: { } perMinute } => UsageCost.None with { Transcription = Rounded(perMinute * SecondsOf(usage) / SecondsPerMinute) },
            { Tokens: { } tokens } => Of(usage.Tokens, tokens, usage.Kind),
            _ => null,
        };

    /// <summary>What the carrier takes for a call; null where the table has no price for it.</summary>
    public decimal? Of(CallChannel channel, CallDirection direction, int billedSeconds, DateTimeOffset at) =>
        In(Carrier.Where(price => price.Channel == channel && price.Direction == direction), price => price.From, at) is { } price
            ? Rounded(price.PerMinute * Math.Ceiling(Math.Max(0, billedSeconds) / (decimal)SecondsPerMinute))
            : null;

    /// <summary>How long the audio of a transcription was; told by time, or by its tokens.</summary>
    public static decimal SecondsOf(UsageRecorded usage) =>
        usage.Seconds is { } seconds and > 0 and < 86_400 ? Rounded((decimal)seconds) : Math.Max(0, usage.Tokens.InputAudio) / CallerTokensPerSecond;

    private static UsageCost Of(TokenUsage used, TokenPrices prices, string kind)
    {
        // Cached tokens are part of the input tokens, and are billed at their own price instead.
        var text = (Math.Max(0, used.InputText - used.CachedText) * prices.TextIn) + (used.OutputText * prices.TextOut);
        var audio = (Math.Max(0, used.InputAudio - used.CachedAudio) * prices.AudioIn) + (used.OutputAudio * prices.AudioOut);
        var cached = (used.CachedText * prices.TextCached) + (used.CachedAudio * prices.AudioCached);
        return kind == UsageRecorded.Transcription
            ? UsageCost.None with { Transcription = Rounded((text + audio + cached) / Million) }
            : new UsageCost(Rounded(text / Million), Rounded(audio / Million), Rounded(cached / Million), Transcription: 0);
    }

    private static T? In<T>(IEnumerable<T> prices, Func<T, DateOnly> from, DateTimeOffset at)
        where T : class
    {
        var day = DateOnly.FromDateTime(at.UtcDateTime);
        var ordered = prices.OrderBy(from).ToList();
        return ordered.FindLast(price => from(price) <= day) ?? ordered.FirstOrDefault();
    }

    /// <summary>A model of a certain day, such as <c>gpt-realtime-2.1-2026-07-06</c>, costs what the model costs.</summary>
    private static string Undated(string model) =>
        model.Length > 11 && model[^11] == '-' && DateOnly.TryParseExact(model.AsSpan(model.Length - 10), "yyyy-MM-dd", out _) ? model[..^11] : model;

    private static decimal Rounded(decimal amount) => Math.Round(amount, Decimals, MidpointRounding.ToEven);
}

/// <param name="PerMinute">For models priced by time, in place of <paramref name="Tokens"/>.</param>
/// <param name="Source">Where the price was read, and when.</param>
/// <param name="Assumed">Nobody has confirmed it.</param>
public sealed record ModelPrice(string Model, DateOnly From, TokenPrices? Tokens, decimal? PerMinute, string Source, bool Assumed);

/// <summary>Of a million tokens.</summary>
public sealed record TokenPrices(decimal TextIn, decimal TextCached, decimal TextOut, decimal AudioIn, decimal AudioCached, decimal AudioOut);

/// <param name="PerMinute">Of each minute begun.</param>
public sealed record CarrierPrice(CallChannel Channel, CallDirection Direction, DateOnly From, decimal PerMinute, string Source, bool Assumed);

/// <summary>What one response or transcription cost, by what it was for.</summary>
public sealed record UsageCost(decimal Text, decimal Audio, decimal Cached, decimal Transcription)
{
    public static UsageCost None { get; } = new(0, 0, 0, 0);
}
