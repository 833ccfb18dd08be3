using System.Text.Json.Nodes;
using Guru.Sandbox.Audio;

namespace Guru.Sandbox.OpenAI;

/// <summary>Voice notes and other recordings, when they are lines of the sandbox.</summary>
public sealed partial class OpenAIHttp
{
    private const int MostBytes = 25 * 1024 * 1024;

    private static readonly string[] Extensions = [".flac", ".mp3", ".mp4", ".mpeg", ".mpga", ".m4a", ".ogg", ".wav", ".webm"];

    private static async Task<IResult> TranscriptionsAsync(HttpContext context)
    {
        var form = context.Request.HasFormContentType ? await context.Request.ReadFormAsync(context.RequestAborted) : null;
        if (form?.Files["file"] is not { } file || string.IsNullOrEmpty(form["model"]))
        {
            return Bad("missing_required_parameter", "A transcription needs a file and a model.");
        }

        if (Refuse(form, file) is { } refused)
        {
            return refused;
        }

        using var bytes = new MemoryStream();
        await file.CopyToAsync(bytes, context.RequestAborted);
        var (text, language, seconds) = Recognise(bytes.ToArray());
        if (form["language"].ToString() is { Length: > 0 } forced && language is not null && forced != language)
        {
            // Words of one language, spelled as another: nothing that could be answered.
            (text, language) = ("(unintelligible)", forced);
        }

        var (input, output) = ((int)(seconds * 10), Tokens(text));
        return Json(new JsonObject
        {
            ["text"] = text,
            ["languages"] = language is not null ? new JsonArray(new JsonObject { ["code"] = language }) : [],
            ["usage"] = new JsonObject
            {
                ["type"] = "tokens", ["input_tokens"] = input,
                ["input_token_details"] = new JsonObject { ["text_tokens"] = 0, ["audio_tokens"] = input },
                ["output_tokens"] = output, ["total_tokens"] = input + output,
            },
        });
    }

    private static IResult? Refuse(IFormCollection form, IFormFile file)
    {
        if (file.Length > MostBytes)
        {
            return Bad("invalid_value", $"Maximum content size limit ({MostBytes}) exceeded ({file.Length} bytes read)", "file", 413);
        }

        if (!Extensions.Contains(Path.GetExtension(file.FileName), StringComparer.OrdinalIgnoreCase))
        {
            return Bad("invalid_value", $"Invalid file format. Supported formats: {string.Join(", ", Extensions.Select(e => e[1..]))}", "file");
        }

        if (form["language"].Count > 0 && (form["languages"].Count > 0 || form["languages[]"].Count > 0))
        {
            return Bad("invalid_value", "Either language or languages can be given, not both.", "languages");
        }

        return form["response_format"].ToString() is "" or "json" or "text" ? null
            : Bad("unsupported_value", $"response_format '{form["response_format"]}' is not compatible with model '{form["model"]}'.", "response_format");
    }

    private static (string Text, string? Language, double Seconds) Recognise(byte[] file)
    {
        if (SampleLibrary.Shipped.FindVoiceNote(file) is { } sample)
        {
            return (sample.Text, sample.Language, sample.Duration.TotalSeconds);
        }

        // A file that is no WAV is searched as it is, so that a voice note may be a sample under another name.
        var audio = Wav.ReadMuLaw(file) ?? file;
        var recognised = Recognition.Of(audio, Recogniser.Shipped);
        return (recognised.Text, recognised.Language, MuLaw.Duration(audio.Length).TotalSeconds);
    }
}
