using System.Reflection;

namespace Guru.Api.VoiceAgent;

/// <summary>The reference page: small files, made to be copied, served with headers that allow what they do and nothing else.</summary>
internal static class VoicePage
{
    private const string Policy =
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

    private static readonly (string Path, string File, string Type)[] Files =
    [
        ("/voice", "index.html", "text/html"),
        ("/voice/voice.js", "voice.js", "text/javascript"),
        ("/voice/guru-call.js", "guru-call.js", "text/javascript"),
        ("/voice/voice.css", "voice.css", "text/css"),
    ];

    public static void MapVoicePage(this WebApplication app)
    {
        foreach (var (path, file, type) in Files)
        {
            var content = Read(file);
            app.MapGet(path, (HttpResponse response) =>
            {
                var headers = response.Headers;
                headers.ContentSecurityPolicy = Policy;
                headers.XContentTypeOptions = "nosniff";
                headers["Referrer-Policy"] = "no-referrer";
                headers["Permissions-Policy"] = "microphone=(self), camera=(), geolocation=()";
                headers.CacheControl = "no-cache";
                return Results.Bytes(content, $"{type}; charset=utf-8");
            }).ExcludeFromDescription();
        }
    }

    private static byte[] Read(string file)
    {
        using var resource = Assembly.GetExecutingAssembly().GetManifestResourceStream($"voice/{file}")
            ?? throw new InvalidOperationException($"{file} is not part of this build.");
        using var content = new MemoryStream();
        resource.CopyTo(content);
        return content.ToArray();
    }
}
