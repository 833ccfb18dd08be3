using System.Net;
using System.Text.Json;
using Guru.Sandbox.Twilio;

namespace Guru.EndToEnd.Tests;

public sealed class ErasingInACall(World world) : IClassFixture<World>
{
    private const string Number = "15550504321";
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(60);

    [Fact]
    public async Task Who_is_in_a_call_is_erased_once_it_is_over_and_not_before()
    {
        using var limit = new CancellationTokenSource(Limit);
        var call = world.Twilio.PlaceCall(new CallOptions { From = $"whatsapp:+{Number}" });
        await call.WaitForAgentTurnAsync(1);

        using var during = await world.Operator.DeleteAsync($"/api/callers/%2B{Number}", limit.Token);

        during.StatusCode.ShouldBe(HttpStatusCode.Conflict);
        using var problem = JsonDocument.Parse(await during.Content.ReadAsStringAsync(limit.Token));
        problem.RootElement.GetProperty("status").GetInt32().ShouldBe(409);
        call.Completion.IsCompleted.ShouldBeFalse();

        call.HangUp();
        await call.Completion;
        HttpStatusCode after;
        do
        {
            using var again = await world.Operator.DeleteAsync($"/api/callers/%2B{Number}", limit.Token);
            after = again.StatusCode;
        }
        while (after == HttpStatusCode.Conflict); // Until the end is on record.

        after.ShouldBe(HttpStatusCode.OK);
        (await world.Analyst.GetStringAsync("/api/calls", limit.Token)).ShouldNotContain(Number);
    }
}
