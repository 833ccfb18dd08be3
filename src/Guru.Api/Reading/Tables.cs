namespace Guru.Api.Reading;

/// <summary>What is told as JSON, or as rows of CSV for who asks for it.</summary>
internal static class Tables
{
    private static readonly QueryParameter Format = QueryParameter.Text("format", "json or csv; without it the Accept header decides, and JSON is the default.");

    /// <summary>Describes what the endpoint reads of the query, and that it answers in both.</summary>
    public static RouteHandlerBuilder WithTable<T>(this RouteHandlerBuilder endpoint, params IEnumerable<QueryParameter> parameters) =>
        endpoint.WithQuery([.. parameters, Format]).Produces<T>(StatusCodes.Status200OK, "application/json", Csv.Type).ProducesValidationProblem();

    public static bool AsksForTable(this QueryReader query, HttpRequest request)
    {
        var format = query.Read<string?>("format", text => text is "csv" or "json" ? text : throw new FormatException("is csv or json"));
        return format is null ? Csv.IsAskedFor(request) : format == "csv";
    }
}
