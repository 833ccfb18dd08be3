using System.Text.Json;

namespace Guru.Infrastructure.OpenAI;

/// <summary>What comes before a session carries a call.</summary>
internal enum RealtimeGreeting
{
    Other,
    Created,
    Updated,
    Error,
}

/// <summary>A session as the model states it.</summary>
/// <param name="ExpiresAt">Null where it does not say.</param>
internal sealed record RealtimeSession(string? Id, DateTimeOffset? ExpiresAt, string? InputFormat, string? OutputFormat)
{
    private const string MuLaw = "audio/pcmu";

    /// <summary>G.711 mu-law both ways. Only the type is compared: whether a rate is echoed with it is not settled.</summary>
    public bool IsMuLaw => InputFormat == MuLaw && OutputFormat == MuLaw;

    /// <summary>Reads an event of the opening; broken ones count as other.</summary>
    public static RealtimeGreeting Read(ReadOnlyMemory<byte> message, out RealtimeSession session, out string? errorType, out string? errorCode)
    {
        session = new RealtimeSession(Id: null, ExpiresAt: null, InputFormat: null, OutputFormat: null);
        errorType = errorCode = null;
        try
        {
            using var document = JsonDocument.Parse(message);
            var root = document.RootElement;
            switch (root.Text("type"))
            {
                case "session.created":
                    session = Of(root.At("session"));
                    return RealtimeGreeting.Created;
                case "session.updated":
                    session = Of(root.At("session"));
                    return RealtimeGreeting.Updated;
                case "error":
                    errorType = root.At("error").Text("type");
                    errorCode = root.At("error").Code();
                    return RealtimeGreeting.Error;
                default:
                    return RealtimeGreeting.Other;
            }
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            return RealtimeGreeting.Other;
        }
    }

    private static RealtimeSession Of(JsonElement session)
    {
        var expires = session.Whole("expires_at");
        return new RealtimeSession(
            session.Text("id"),
            expires > 0 && expires < DateTimeOffset.MaxValue.ToUnixTimeSeconds() ? DateTimeOffset.FromUnixTimeSeconds(expires) : null,
            session.At("audio").At("input").At("format").Text("type"),
            session.At("audio").At("output").At("format").Text("type"));
    }
}
