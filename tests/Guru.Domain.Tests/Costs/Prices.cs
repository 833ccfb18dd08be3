using Guru.Domain.Calls;
using Guru.Domain.Costs;
using Shouldly;

namespace Guru.Domain.Tests.Costs;

public sealed class Prices
{
    private static readonly DateOnly March = new(2026, 3, 1);
    private static readonly DateOnly May = new(2026, 5, 1);
    private static readonly TokenPrices Realtime = new(TextIn: 4, TextCached: 0.4m, TextOut: 24, AudioIn: 32, AudioCached: 0.4m, AudioOut: 64);

    private static readonly PriceTable Table = new(
        May,
        [
            new ModelPrice("voice", March, Realtime, PerMinute: null, "page", Assumed: false),
            new ModelPrice("voice", May, Realtime with { AudioOut = 32 }, PerMinute: null, "page", Assumed: false),
            new ModelPrice("scribe", March, Tokens: null, 0.0045m, "page", Assumed: false),
        ],
        [new CarrierPrice(CallChannel.Whatsapp, CallDirection.Inbound, March, 0.01m, "page", Assumed: true)]);

    [Fact]
    public void Cached_tokens_are_billed_at_their_own_price_and_not_twice() =>
        Table.Of(Usage("voice", new TokenUsage(InputText: 1_000, InputAudio: 500, CachedText: 900, CachedAudio: 400, OutputText: 100, OutputAudio: 200), April))
            .ShouldBe(new UsageCost(Text: 0.0028m, Audio: 0.016m, Cached: 0.00052m, Transcription: 0));

    [Fact]
    public void A_price_holds_from_its_date_on()
    {
        var spoken = new TokenUsage(0, 0, 0, 0, 0, OutputAudio: 1_000_000);

        Table.Of(Usage("voice", spoken, April))!.Audio.ShouldBe(64);
        Table.Of(Usage("voice", spoken, new DateTimeOffset(2026, 5, 1, 0, 0, 0, TimeSpan.Zero)))!.Audio.ShouldBe(32);
        Table.Of(Usage("voice", spoken, new DateTimeOffset(2026, 1, 1, 0, 0, 0, TimeSpan.Zero)))!.Audio.ShouldBe(64);
    }

    [Fact]
    public void A_model_of_a_certain_day_costs_what_the_model_costs() =>
        Table.Of(Usage("voice-2026-07-06", new TokenUsage(0, 0, 0, 0, 0, 1_000_000), April))!.Audio.ShouldBe(64);

    [Fact]
    public void A_model_without_a_price_has_no_cost() => Table.Of(Usage("unknown", new TokenUsage(1, 1, 0, 0, 1, 1), April)).ShouldBeNull();

    [Theory]
    [InlineData(60.0, 0, 0.0045)]
    [InlineData(3.7, 0, 0.0002775)]
    [InlineData(null, 300, 0.00225)] // Ten tokens are a second of the caller.
    [InlineData(double.NaN, 300, 0.00225)]
    public void A_transcription_is_billed_by_its_length(double? seconds, int tokens, double cost) =>
        Table.Of(new UsageRecorded("id", UsageRecorded.Transcription, "scribe", "general", new TokenUsage(0, tokens, 0, 0, 9, 0), seconds, April))!
            .Transcription.ShouldBe((decimal)cost);

    [Theory]
    [InlineData(0, 0)]
    [InlineData(1, 0.01)]
    [InlineData(60, 0.01)]
    [InlineData(61, 0.02)]
    public void The_carrier_takes_each_minute_begun(int seconds, double cost) =>
        Table.Of(CallChannel.Whatsapp, CallDirection.Inbound, seconds, April).ShouldBe((decimal)cost);

    [Fact]
    public void What_the_carrier_takes_may_not_be_known() => Table.Of(CallChannel.Webapp, CallDirection.Inbound, 60, April).ShouldBeNull();

    private static DateTimeOffset April { get; } = new(2026, 4, 15, 0, 0, 0, TimeSpan.Zero);

    private static UsageRecorded Usage(string model, TokenUsage tokens, DateTimeOffset at) =>
        new("id", UsageRecorded.Response, model, "general", tokens, Seconds: null, at);
}
