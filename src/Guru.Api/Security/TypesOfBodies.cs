using Microsoft.AspNetCore.Http.Metadata;

namespace Guru.Api.Security;

/// <summary>
/// Routing refuses a body of another type with a 415 before anybody is asked for a key. Endpoints that take every type at first leave that to whoever
/// reads the body, behind authorization; the description of the API names the types that are read.
/// </summary>
internal static class TypesOfBodies
{
    public const string Any = "*/*";

    public static TBuilder CheckTypesOfBodiesAfterKeys<TBuilder>(this TBuilder endpoints)
        where TBuilder : IEndpointConventionBuilder
    {
        endpoints.Finally(endpoint =>
        {
            for (var index = 0; index < endpoint.Metadata.Count; index++)
            {
                if (endpoint.Metadata[index] is IAcceptsMetadata accepts)
                {
                    endpoint.Metadata[index] = new AcceptsMetadata([.. accepts.ContentTypes, Any], accepts.RequestType, accepts.IsOptional);
                }
            }
        });
        return endpoints;
    }
}
