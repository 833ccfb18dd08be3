using System.Globalization;
using System.Text;
using System.Text.Json;
using Guru.Application.Conversations;
using Guru.Domain.Callers;

namespace Guru.Infrastructure.OpenAI;

/// <summary>Reads what the Responses and transcription endpoints answer.</summary>
internal static class TextModelAnswers
{
    /// <exception cref="TextModelException">There is no text to use.</exception>
    public static TextAnswer ReadResponse(JsonElement response, string askedFor)
    {
        ThrowUnlessCompleted(response);
        var text = new StringBuilder();

        // The text may stand behind reasoning and in several parts.
        foreach (var part in Items(response.At("output")).Where(item => item.Text("type") == "message").SelectMany(item => Items(item.At("content"))))
        {
            switch (part.Text("type"))
            {
                case "refusal":
                    throw new TextModelException("refused", transient: false);
                case "output_text":
                    text.Append(part.Text("text"));
                    break;
            }
        }

        var usage = response.At("usage");
        return text.Length > 0
            ? new TextAnswer(
                text.ToString(),
                response.Text("model") ?? askedFor,
                usage.Count("input_tokens"),
                usage.At("input_tokens_details").Count("cached_tokens"),
                usage.Count("output_tokens"))
            : throw new TextModelException("empty", transient: true);
    }

    /// <exception cref="TextModelException">It is no transcript. One without words is one: nothing was said.</exception>
    public static TranscribedNote ReadTranscript(JsonElement answer, string model)
    {
        var usage = answer.At("usage");
        return new TranscribedNote(
            answer.Text("text") ?? throw Malformed(),
            LanguageOf(answer),
            model,
            usage.Real("seconds"),
            usage.Count("input_tokens"),
            usage.Count("output_tokens"));
    }

    /// <param name="status">Of HTTP.</param>
    /// <param name="body">The error object; anything else, such as HTML, says nothing.</param>
    public static TextModelException OfRefusal(int status, JsonElement body, TimeSpan? retryAfter)
    {
        var error = body.At("error");
        var (code, type) = (error.Text("code"), error.Text("type"));
        var transient = status is 408 or 409 or 429 or >= 500;
        return new TextModelException(
            code ?? type ?? status.ToString(CultureInfo.InvariantCulture),
            transient && !RealtimeRefusals.IsLasting(code) && !RealtimeRefusals.IsLasting(type),
            retryAfter);
    }

    public static TextModelException Malformed() => new("malformed", transient: true);

    private static void ThrowUnlessCompleted(JsonElement response)
    {
        switch (response.Text("status"))
        {
            case "completed":
                return;
            case "incomplete" when response.At("incomplete_details").Text("reason") == "content_filter":
                throw new TextModelException("refused", transient: false);
            case "incomplete":
                throw new TextModelException("cut_off", transient: false);
            case "failed":
                var code = response.At("error").Code() ?? "failed";
                throw new TextModelException(code, transient: !RealtimeRefusals.IsLasting(code));
            case { } status:
                throw new TextModelException(status, transient: true);
            case null:
                throw Malformed();
        }
    }

    /// <summary>The first is the one spoken most; a region behind it is left out.</summary>
    private static string? LanguageOf(JsonElement answer) =>
        LanguageCode.Of(Items(answer.At("languages")).Select(language => language.Text("code")).FirstOrDefault());

    private static JsonElement.ArrayEnumerator Items(JsonElement list) =>
        list.ValueKind == JsonValueKind.Array ? list.EnumerateArray() : default;
}
