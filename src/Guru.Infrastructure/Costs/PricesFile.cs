using System.Globalization;
using Guru.Domain.Calls;
using Guru.Domain.Costs;
using YamlDotNet.Core;
using YamlDotNet.Serialization;
using YamlDotNet.Serialization.NamingConventions;

namespace Guru.Infrastructure.Costs;

/// <summary>Reads the prices, and lists everything that is wrong with them at once.</summary>
public static class PricesFile
{
    private const int MostBytes = 1_000_000;
    private const decimal Dearest = 10_000;

    /// <summary>With more, an amount for a single token would be rounded.</summary>
    private const int MostDecimals = PriceTable.Decimals - 6;

    public static string ShippedPath => Path.Combine(AppContext.BaseDirectory, "prices.yaml");

    /// <exception cref="PricesException">The file has mistakes; all of them are listed.</exception>
    public static PriceTable Load(string path)
    {
        try
        {
            return new FileInfo(path).Length <= MostBytes ? Parse(File.ReadAllText(path)) : throw new PricesException([$"{path} is too large"]);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new PricesException([$"{path} cannot be read: {error.Message}"]);
        }
    }

    /// <inheritdoc cref="Load"/>
    public static PriceTable Parse(string yaml)
    {
        FileShape file;
        try
        {
            file = new DeserializerBuilder().WithNamingConvention(CamelCaseNamingConvention.Instance).Build().Deserialize<FileShape>(yaml) ?? new FileShape();
        }
        catch (YamlException error)
        {
            throw new PricesException([$"line {error.Start.Line}: {error.InnerException?.Message ?? error.Message}"]);
        }

        var mistakes = new List<string>();
        var dated = Date(file.Dated, "dated", mistakes);
        var models = (file.Models ?? []).ConvertAll(shape => Model(shape, mistakes));
        var carrier = (file.Carrier ?? []).ConvertAll(shape => Carrier(shape, mistakes));
        if (models.Count == 0)
        {
            mistakes.Add("models is missing");
        }

        mistakes.AddRange(models.GroupBy(price => (price.Model, price.From)).Where(group => group.Skip(1).Any())
            .Select(group => $"{group.Key.Model}: there are two prices from {group.Key.From:yyyy-MM-dd} on"));
        mistakes.AddRange(carrier.GroupBy(price => (price.Channel, price.Direction, price.From)).Where(group => group.Skip(1).Any())
            .Select(group => $"{group.Key.Channel} {group.Key.Direction}: there are two prices from {group.Key.From:yyyy-MM-dd} on"));
        return mistakes.Count == 0 ? new PriceTable(dated, models, carrier) : throw new PricesException(mistakes);
    }

    private static ModelPrice Model(ModelShape shape, List<string> mistakes)
    {
        var name = string.IsNullOrWhiteSpace(shape.Model) ? "a model without a name" : shape.Model.Trim();
        if (string.IsNullOrWhiteSpace(shape.Model))
        {
            mistakes.Add("models: model is missing");
        }

        decimal?[] all = [shape.TextIn, shape.TextCached, shape.TextOut, shape.AudioIn, shape.AudioCached, shape.AudioOut];
        var byTokens = Array.Exists(all, price => price is not null);
        if (byTokens == shape.PerMinute is not null || (byTokens && Array.Exists(all, price => price is null)))
        {
            mistakes.Add($"{name}: give either perMinute, or all of textIn, textCached, textOut, audioIn, audioCached and audioOut");
        }

        decimal Price(decimal? price, string member) => Amount(price ?? 0, $"{name}: {member}", mistakes);
        return new ModelPrice(
            name,
            Date(shape.From, $"{name}: from", mistakes),
            byTokens
                ? new TokenPrices(
                    Price(shape.TextIn, "textIn"), Price(shape.TextCached, "textCached"), Price(shape.TextOut, "textOut"),
                    Price(shape.AudioIn, "audioIn"), Price(shape.AudioCached, "audioCached"), Price(shape.AudioOut, "audioOut"))
                : null,
            shape.PerMinute is { } perMinute ? Price(perMinute, "perMinute") : null,
            Source(shape.Source, name, mistakes),
            shape.Assumed);
    }

    private static CarrierPrice Carrier(CarrierShape shape, List<string> mistakes)
    {
        var name = $"carrier {shape.Channel} {shape.Direction}";
        if (!Enum.TryParse<CallChannel>(shape.Channel, ignoreCase: true, out var channel) | !Enum.TryParse<CallDirection>(shape.Direction, ignoreCase: true, out var direction))
        {
            mistakes.Add($"{name}: the channel is whatsapp or webapp, the direction inbound or outbound");
        }

        if (shape.PerMinute is null)
        {
            mistakes.Add($"{name}: perMinute is missing");
        }

        return new CarrierPrice(
            channel, direction, Date(shape.From, $"{name}: from", mistakes), Amount(shape.PerMinute ?? 0, $"{name}: perMinute", mistakes),
            Source(shape.Source, name, mistakes), shape.Assumed);
    }

    private static decimal Amount(decimal amount, string what, List<string> mistakes)
    {
        if (amount is < 0 or > Dearest || decimal.Round(amount, MostDecimals) != amount)
        {
            mistakes.Add($"{what} is a number from 0 to {Dearest} with at most {MostDecimals} decimals");
        }

        return amount;
    }

    private static DateOnly Date(string? text, string what, List<string> mistakes)
    {
        if (!DateOnly.TryParseExact(text, "yyyy-MM-dd", CultureInfo.InvariantCulture, DateTimeStyles.None, out var date))
        {
            mistakes.Add($"{what} is a date such as 2026-11-22");
        }

        return date;
    }

    private static string Source(string? text, string name, List<string> mistakes)
    {
        if (string.IsNullOrWhiteSpace(text))
        {
            mistakes.Add($"{name}: source is missing");
        }

        return text?.Trim() ?? "";
    }

    private sealed class FileShape
    {
        public string? Dated { get; set; }

        public List<ModelShape>? Models { get; set; }

        public List<CarrierShape>? Carrier { get; set; }
    }

    private sealed class ModelShape
    {
        public string? Model { get; set; }

        public string? From { get; set; }

        public decimal? TextIn { get; set; }

        public decimal? TextCached { get; set; }

        public decimal? TextOut { get; set; }

        public decimal? AudioIn { get; set; }

        public decimal? AudioCached { get; set; }

        public decimal? AudioOut { get; set; }

        public decimal? PerMinute { get; set; }

        public string? Source { get; set; }

        public bool Assumed { get; set; }
    }

    private sealed class CarrierShape
    {
        public string? Channel { get; set; }

        public string? Direction { get; set; }

        public string? From { get; set; }

        public decimal? PerMinute { get; set; }

        public string? Source { get; set; }

        public bool Assumed { get; set; }
    }
}

/// <param name="mistakes">All that is wrong, each with where.</param>
public sealed class PricesException(IReadOnlyList<string> mistakes)
    : Exception("The file of prices has mistakes:\n" + string.Join('\n', mistakes.Select(mistake => "  - " + mistake)))
{
    public IReadOnlyList<string> Mistakes { get; } = mistakes;
}
