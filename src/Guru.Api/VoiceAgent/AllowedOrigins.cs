using Guru.Application.Conversations;

namespace Guru.Api.VoiceAgent;

/// <summary>Refuses a page of another origin than those allowed: CORS would only keep it from reading an answer that was paid for.</summary>
internal sealed class AllowedOrigins(WebappOptions options, PublicAddress address) : IEndpointFilter
{
    private readonly HashSet<string> _origins = new([.. options.Origins, address.BaseUrl], StringComparer.OrdinalIgnoreCase);

    public ValueTask<object?> InvokeAsync(EndpointFilterInvocationContext context, EndpointFilterDelegate next)
    {
        var request = context.HttpContext.Request;
        var origin = request.Headers.Origin.ToString();
        return origin.Length == 0 || _origins.Contains(origin) || origin == $"{request.Scheme}://{request.Host}"
            ? next(context)
            : ValueTask.FromResult<object?>(Results.Problem(
                statusCode: StatusCodes.Status403Forbidden, title: "Pages of this origin may not ask.", detail: "Guru__Webapp__AllowedOrigins lists those that may."));
    }
}
