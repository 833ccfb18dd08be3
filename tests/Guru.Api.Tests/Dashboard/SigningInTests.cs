using System.Net;
using Guru.Api.Dashboard;
using Guru.Api.Security;
using Microsoft.AspNetCore.Http;
using Shouldly;

namespace Guru.Api.Tests.Dashboard;

public sealed class SigningInTests
{
    [Fact]
    public void Keys_can_be_tried_twenty_times_a_minute_from_one_address()
    {
        using var limits = new SignInLimits();

        Enumerable.Range(0, 20).ShouldAllBe(_ => limits.Allow(From("192.0.2.1")));
        limits.Allow(From("192.0.2.1")).ShouldBeFalse();
        limits.Allow(From("192.0.2.2")).ShouldBeTrue();
    }

    [Theory]
    [InlineData("an-analyst", true, false)]
    [InlineData("an-operator", true, true)]
    [InlineData("both", true, true)]
    [InlineData("a-webapp", false, false)]
    [InlineData("", false, false)]
    public void Keys_of_analysts_and_operators_open_the_dashboard_and_operators_see_numbers(string key, bool opens, bool seesNumbers)
    {
        var keys = new ApiKeys(["an-analyst", "both"], ["a-webapp"], ["an-operator", "both"]);

        var principal = DashboardCookie.Open(keys, key);

        (principal is not null).ShouldBe(opens);
        (principal is not null && Viewer.Of(principal, "Europe/Paris").SeesNumbers).ShouldBe(seesNumbers);
    }

    private static DefaultHttpContext From(string address) => new() { Connection = { RemoteIpAddress = IPAddress.Parse(address) } };
}
