using Guru.Infrastructure.Costs;
using Shouldly;

namespace Guru.Infrastructure.Tests.Costs;

public sealed class PricesFileTests
{
    [Fact]
    public void The_shipped_prices_say_where_they_are_from_and_what_is_assumed()
    {
        var prices = PricesFile.Load(PricesFile.ShippedPath);

        prices.Models.Select(price => price.Model).ShouldContain("gpt-realtime-2.1");
        prices.Models.ShouldContain(price => price.Model == "gpt-transcribe" && price.PerMinute == 0.0045m);
        prices.Models.ShouldAllBe(price => price.Source.Length > 0);
        prices.Carrier.Where(price => price.Assumed).ShouldAllBe(price => price.Source.StartsWith("operator to confirm"));
        prices.Carrier.ShouldContain(price => price.Assumed);
    }

    [Fact]
    public void Every_mistake_is_told_at_once()
    {
        var error = Should.Throw<PricesException>(() => PricesFile.Parse(
            """
            dated: soon
            models:
              - {model: a, from: 2026-01-01, textIn: 1, source: page}
              - {model: b, from: 2026-01-01, perMinute: -1, source: page}
              - {model: b, from: 2026-01-01, perMinute: 0.00001}
            carrier:
              - {channel: pigeon, direction: inbound, from: 2026-01-01, source: page}
            """));

        error.Mistakes.Count.ShouldBe(8, error.Message);
        error.Message.ShouldContain("dated is a date");
        error.Message.ShouldContain("a: give either perMinute");
        error.Message.ShouldContain("there are two prices");
        error.Message.ShouldContain("perMinute is missing");
    }

    [Theory]
    [InlineData("models: [")]
    [InlineData("")]
    [InlineData("models: 3")]
    public void What_is_no_table_is_refused(string yaml) => Should.Throw<PricesException>(() => PricesFile.Parse(yaml));
}
