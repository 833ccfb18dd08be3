using System.Net;
using System.Text;
using System.Text.Json;
using Guru.Domain.Calls;

namespace Guru.EndToEnd.Tests;

/// <summary>Queries that no analyst asks, of every endpoint that the API describes, by every name that it describes, over calls that are there.</summary>
public sealed class HostileQueries(ForAnalysts.SampleWorld world) : IClassFixture<ForAnalysts.SampleWorld>
{
    private const int Queries = 800;

    /// <summary>Of sample calls there is no recording.</summary>
    private const string Recording = "/api/calls/{callSid}/recording";

    private static readonly HttpStatusCode[] Expected =
        [HttpStatusCode.OK, HttpStatusCode.BadRequest, HttpStatusCode.NotFound, HttpStatusCode.RequestUriTooLong];

    private sealed record Parameter(string Name, bool Required, string Type, IReadOnlyList<string> Values);

    private sealed record Endpoint(string Path, IReadOnlyList<Parameter> Query);

    private string Sid => world.Calls[0].CallSid.Value;

    private string Caller => world.Calls[0].CallerId.Value;

    [Fact]
    public async Task Of_any_kind_are_answered_or_refused_and_never_break()
    {
        foreach (var kept in Hostile.Kept("queries.txt"))
        {
            await AskAsync(kept.Replace("{callSid}", Sid, StringComparison.Ordinal).Replace("{callerId}", Caller, StringComparison.Ordinal));
        }

        var endpoints = await EndpointsAsync();
        var random = new Random(20261127);
        var answered = new Dictionary<string, int>(StringComparer.Ordinal);
        for (var number = 0; number < Queries; number++)
        {
            var endpoint = endpoints[number % endpoints.Count];
            if (await AskAsync(Address(endpoint, random)) == HttpStatusCode.OK)
            {
                answered[endpoint.Path] = answered.GetValueOrDefault(endpoint.Path) + 1;
            }
        }

        answered.Keys.Append(Recording).ShouldBe(endpoints.Select(endpoint => endpoint.Path), ignoreOrder: true);
        answered.Values.Sum().ShouldBeGreaterThan(Queries / 3, "Most of them must reach the database.");
        (await world.GetAsync("/api/analytics/summary")).GetProperty("figures").GetProperty("calls").GetInt32().ShouldBe(world.Calls.Count);
    }

    private async Task<HttpStatusCode> AskAsync(string address)
    {
        using var response = await world.Analyst.GetAsync(address);
        var body = await response.Content.ReadAsByteArrayAsync();

        response.StatusCode.ShouldBeOneOf(Expected, $"{address}\n{Encoding.UTF8.GetString(body)}");
        if (response.StatusCode == HttpStatusCode.BadRequest)
        {
            response.Content.Headers.ContentType?.MediaType.ShouldBe("application/problem+json", address);
        }

        return response.StatusCode;
    }

    /// <summary>What analysts may ask, without the stream of events, which has no end.</summary>
    private async Task<List<Endpoint>> EndpointsAsync()
    {
        string[] of = ["/api/calls", "/api/conversations", "/api/transcripts/", "/api/analytics/", "/api/export/"];
        var paths = (await world.GetAsync("/openapi/v1.json")).GetProperty("paths").EnumerateObject();
        return
        [
            .. from path in paths
               where of.Any(start => path.Name.StartsWith(start, StringComparison.Ordinal)) && path.Value.TryGetProperty("get", out _)
               select new Endpoint(path.Name, [.. Parameters(path.Value.GetProperty("get"))]),
        ];
    }

    private static IEnumerable<Parameter> Parameters(JsonElement operation) =>
        from parameter in operation.TryGetProperty("parameters", out var all) ? all.EnumerateArray().ToList() : []
        where parameter.GetProperty("in").GetString() == "query"
        let schema = parameter.GetProperty("schema")
        let one = schema.TryGetProperty("items", out var items) ? items : schema
        let format = one.TryGetProperty("format", out var named) ? named.GetString() : null
        select new Parameter(
            parameter.GetProperty("name").GetString()!,
            parameter.TryGetProperty("required", out var required) && required.GetBoolean(),
            format ?? one.GetProperty("type").ToString(),
            one.TryGetProperty("enum", out var values) ? [.. values.EnumerateArray().Select(value => value.GetString()!)] : []);

    private string Address(Endpoint endpoint, Random random)
    {
        var path = endpoint.Path
            .Replace("{callSid}", random.Next(6) == 0 ? Uri.EscapeDataString(Hostile.Text(random)) : Sid, StringComparison.Ordinal)
            .Replace("{callerId}", random.Next(6) == 0 ? Uri.EscapeDataString(Hostile.Text(random)) : Caller, StringComparison.Ordinal);
        var asked = endpoint.Query.Where(parameter => parameter.Required ? random.Next(10) > 0 : random.Next(endpoint.Query.Count + 3) < 2)
            .SelectMany(parameter => Enumerable.Repeat(parameter, random.Next(20) == 0 ? 2 : 1))
            .Select(parameter => $"{parameter.Name}={Uri.EscapeDataString(random.Next(5) == 0 ? Hostile.Text(random) : Value(parameter, random))}");
        return $"{path}?{string.Join('&', random.Next(30) == 0 ? asked.Append($"{Uri.EscapeDataString(Hostile.Text(random))}=1") : asked)}";
    }

    /// <summary>One that is understood, if not always beside the others.</summary>
    private string Value(Parameter parameter, Random random) => parameter switch
    {
        { Values: { Count: > 0 } values } => random.Of(values),
        { Name: "callSid" } => Sid,
        { Name: "callerId" } => Caller,
        { Name: "phoneNumber" } => world.Calls[0].Events.OfType<CallStarted>().Single().Address,
        { Name: "text" or "q" } => random.Of(["bill", "\"billing office\"", "hosp*", "bill -visa", "账 é 🙂 bill"]),
        { Name: "sort" } => random.Of(["cost", "-durationSeconds", "startedAt", "-latencyP95Ms"]),
        { Name: "format" } => "csv",
        { Name: "timeZone" } => random.Of(["America/New_York", "Asia/Kathmandu", "UTC"]),
        { Name: "limit" } => random.Of(["1", "7", "200"]),
        { Name: "cursor" } => "bm90aGluZw",
        { Name: "asOf" } => random.Of(["2026-03-20T08:30:00+01:00", "0001-01-01"]),
        { Type: "date-time" } => parameter.Name.EndsWith(".from", StringComparison.Ordinal) ? random.Of(["2026-03-10", "0001-01-01"]) : random.Of(["2026-03-20T08:30:00.5-07:00", "9999-12-31T23:59:59.9999999Z"]),
        { Type: "integer" or "number" } => parameter.Name.EndsWith(".min", StringComparison.Ordinal) ? random.Of(["0", "-1.5", "0.0000001"]) : random.Of(["60", "79228162514264337593543950335"]),
        { Type: "boolean" } => random.Of(["true", "false"]),
        _ => random.Of(["legal", "none", "es", "healthcare"]),
    };
}
