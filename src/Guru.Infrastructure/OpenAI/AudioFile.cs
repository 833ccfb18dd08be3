using System.Net.Http.Headers;

namespace Guru.Infrastructure.OpenAI;

/// <summary>The transcription endpoint tells an audio format by the extension of the file's name.</summary>
internal static class AudioFile
{
    /// <returns>The type without parameters such as <c>codecs=opus</c>; empty for what is none.</returns>
    public static string TypeOf(string contentType) =>
        MediaTypeHeaderValue.TryParse(contentType, out var type) ? type.MediaType!.ToLowerInvariant() : "";

    /// <returns>Null for a format that is not taken, such as the AMR of old phones.</returns>
    public static string? ExtensionOf(string contentType) =>
        TypeOf(contentType) switch
        {
            "audio/ogg" or "application/ogg" or "audio/opus" => "ogg",
            "audio/mpeg" or "audio/mp3" => "mp3",
            "audio/mp4" or "audio/m4a" or "audio/x-m4a" => "m4a",
            "video/mp4" => "mp4",
            "audio/wav" or "audio/x-wav" or "audio/wave" or "audio/vnd.wave" => "wav",
            "audio/webm" or "video/webm" => "webm",
            "audio/flac" or "audio/x-flac" => "flac",
            _ => null,
        };
}
