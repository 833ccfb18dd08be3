using System.Text.Json.Nodes;
using Microsoft.OpenApi;

namespace Guru.Api.Reading;

/// <summary>A parameter of the query as OpenAPI describes it; what is read is said in the endpoint.</summary>
internal sealed record QueryParameter(string Name, string Description, OpenApiSchema Schema, bool Required = false)
{
    public static QueryParameter Text(string name, string description) => new(name, description, new OpenApiSchema { Type = JsonSchemaType.String });

    public static QueryParameter Whole(string name, string description) => new(name, description, new OpenApiSchema { Type = JsonSchemaType.Integer });

    public static QueryParameter Number(string name, string description) => new(name, description, new OpenApiSchema { Type = JsonSchemaType.Number });

    public static QueryParameter Flag(string name, string description) => new(name, description, new OpenApiSchema { Type = JsonSchemaType.Boolean });

    public static QueryParameter Time(string name, string description) =>
        new(name, description, new OpenApiSchema { Type = JsonSchemaType.String, Format = "date-time" });

    public static QueryParameter OneOf<T>(string name, string description)
        where T : struct, Enum => new(name, description, Values(EnumNames.All<T>()));

    /// <summary>Several values, repeated or parted by commas.</summary>
    public static QueryParameter AnyOf<T>(string name, string description)
        where T : struct, Enum => AnyOf(name, description, EnumNames.All<T>());

    public static QueryParameter AnyOf(string name, string description, IEnumerable<string> values) =>
        new(name, description, new OpenApiSchema { Type = JsonSchemaType.Array, Items = Values(values) });

    public static QueryParameter AnyOf(string name, string description) =>
        new(name, description, new OpenApiSchema { Type = JsonSchemaType.Array, Items = new OpenApiSchema { Type = JsonSchemaType.String } });

    private static OpenApiSchema Values(IEnumerable<string> names) =>
        new() { Type = JsonSchemaType.String, Enum = [.. names.Select(name => (JsonNode)JsonValue.Create(name))] };
}

internal static class QueryParameters
{
    /// <summary>Describes what the endpoint reads of the query.</summary>
    public static TBuilder WithQuery<TBuilder>(this TBuilder endpoint, params IEnumerable<QueryParameter> parameters)
        where TBuilder : IEndpointConventionBuilder =>
        endpoint.AddOpenApiOperationTransformer((operation, _, _) =>
        {
            operation.Parameters = [.. operation.Parameters ?? [], .. parameters.Select(parameter => new OpenApiParameter
            {
                Name = parameter.Name,
                In = ParameterLocation.Query,
                Description = parameter.Description,
                Required = parameter.Required,
                Schema = parameter.Schema,
            })];
            return Task.CompletedTask;
        });
}
