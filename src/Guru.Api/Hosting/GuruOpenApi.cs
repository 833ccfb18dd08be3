using Guru.Api.Security;
using Guru.Application.Conversations;
using Microsoft.AspNetCore.OpenApi;
using Microsoft.OpenApi;

namespace Guru.Api.Hosting;

/// <summary>Describes every JSON endpoint; Twilio's are not part of it.</summary>
internal static class GuruOpenApi
{
    public static void Configure(OpenApiOptions options)
    {
        options.AddOperationTransformer((operation, _, _) =>
        {
            operation.RequestBody?.Content?.Remove(TypesOfBodies.Any);
            return Task.CompletedTask;
        });
        options.AddSchemaTransformer((schema, context, _) =>
        {
            // What a converter of our own writes is not known by itself.
            var type = context.JsonTypeInfo.Type;
            if (type == typeof(DateTimeOffset) || type == typeof(DateTimeOffset?))
            {
                (schema.Type, schema.Format) = (type == typeof(DateTimeOffset) ? JsonSchemaType.String : JsonSchemaType.String | JsonSchemaType.Null, "date-time");
            }

            return Task.CompletedTask;
        });
        options.AddDocumentTransformer((document, context, _) =>
        {
            document.Servers = [new OpenApiServer { Url = context.ApplicationServices.GetRequiredService<PublicAddress>().BaseUrl }];
            document.Info.Title = "Guru";
            document.Info.Description = "Calls, transcripts and events of an AI advisor on WhatsApp. Times are UTC, ISO 8601; lists are paged by cursor.";
            document.Components ??= new OpenApiComponents();
            document.Components.SecuritySchemes ??= new Dictionary<string, IOpenApiSecurityScheme>(StringComparer.Ordinal);
            document.Components.SecuritySchemes[ApiKeyAuthentication.SchemeName] = new OpenApiSecurityScheme
            {
                Type = SecuritySchemeType.Http,
                Scheme = "bearer",
                Description = "A key of GURU_ANALYST_KEYS, GURU_WEBAPP_KEYS or GURU_OPERATOR_KEYS.",
            };
            document.Security = [new OpenApiSecurityRequirement { [new OpenApiSecuritySchemeReference(ApiKeyAuthentication.SchemeName, document)] = [] }];
            return Task.CompletedTask;
        });
    }
}
