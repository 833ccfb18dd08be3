using Guru.Api.Dashboard;
using Shouldly;

namespace Guru.Api.Tests.Dashboard;

public sealed class SpokenTests
{
    [Theory]
    [InlineData("Hello there.", "Hello there.", "Hello there.", "")]
    [InlineData("Hello there.", "Hello", "Hello", " there.")]
    [InlineData("Hello there.", "", "", "Hello there.")]
    [InlineData("Hello there.", "Hello, you", "Hello, you", "Hello there.")]
    public void What_was_not_heard_is_parted_from_what_was(string said, string heard, string shown, string cut) =>
        Spoken.Of(said, heard).ShouldBe(new Spoken(shown, cut));

    [Theory]
    [InlineData("callerHungUp", "Caller hung up")]
    [InlineData("silence", "Silence")]
    [InlineData("CallPermissionGranted", "Call permission granted")]
    public void Names_are_shown_in_words(string name, string words) => Shown.Words(name).ShouldBe(words);

    [Theory]
    [InlineData(12, 10, "+20%")]
    [InlineData(8, 10, "−20%")]
    [InlineData(10, 10, "±0%")]
    [InlineData(10, 0, null)]
    public void A_change_says_which_way(double now, double before, string? change) => Shown.Change(now, before).ShouldBe(change);
}
