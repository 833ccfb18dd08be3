using System.Globalization;
using System.Net;
using System.Text;
using Guru.Api.Analytics;
using Guru.Api.Reading;
using Guru.Application.Analytics;
using Guru.Application.Calls;
using Guru.Domain.Calls;

namespace Guru.Api.Calls;

/// <summary>A transcript as a file that people and players read.</summary>
internal static class TranscriptFiles
{
    public static readonly IReadOnlyDictionary<string, string> Types = new Dictionary<string, string>(StringComparer.Ordinal)
    {
        ["json"] = "application/json", ["txt"] = "text/plain", ["vtt"] = "text/vtt", ["csv"] = "text/csv",
    };

    /// <param name="format">One of <see cref="Types"/> but json.</param>
    public static string Write(string format, CallSummary call, Transcript transcript) => format switch
    {
        "vtt" => WebVtt(transcript),
        "csv" => Table(call, transcript),
        _ => Plain(transcript),
    };

    private static string Plain(Transcript transcript)
    {
        var text = new StringBuilder();
        foreach (var line in transcript.Utterances)
        {
            text.Append(At(line.StartMs, @"hh\:mm\:ss")).Append("  ").Append(SpeakerOf(line)).Append(": ").Append(PlainWords(line)).Append('\n');
        }

        return text.ToString();
    }

    private static string PlainWords(TranscriptLine line) => line switch
    {
        { Transcription: not TranscriptionOutcome.Completed } => "[not understood]",
        { Speaker: Speaker.Agent } when line.Heard != line.Said => $"{line.Heard} [not heard: {UnheardOf(line)}]".TrimStart(),
        _ => line.Said,
    };

    /// <summary>Captions: what was heard, by the clock of the recording.</summary>
    private static string WebVtt(Transcript transcript)
    {
        const string Time = @"hh\:mm\:ss\.fff";
        var text = new StringBuilder("WEBVTT\n");
        foreach (var line in transcript.Utterances.Where(line => line.Heard.Length > 0))
        {
            text.Append('\n').Append(At(line.StartMs, Time)).Append(" --> ").Append(At(Math.Max(line.EndMs, line.StartMs + 1), Time)).Append('\n')
                .Append("<v ").Append(SpeakerOf(line)).Append('>').Append(WebUtility.HtmlEncode(line.Heard).ReplaceLineEndings(" ")).Append('\n');
        }

        return text.ToString();
    }

    private static string Table(CallSummary call, Transcript transcript)
    {
        var text = new StringBuilder();
        Csv.WriteHeader(text, ExportEndpoints.UtteranceColumns);
        foreach (var line in transcript.Utterances)
        {
            Csv.WriteRow(text, ExportEndpoints.UtteranceColumns, new ExportedUtterance(call.CallSid, call.CallerId, call.StartedAt, line));
        }

        return text.ToString();
    }

    private static string UnheardOf(TranscriptLine line) => line.Said.StartsWith(line.Heard, StringComparison.Ordinal) ? line.Said[line.Heard.Length..].Trim() : line.Said;

    private static string SpeakerOf(TranscriptLine line) => line.Speaker == Speaker.Caller ? "Caller" : $"Guru ({line.Agent})";

    private static string At(long milliseconds, string format) => TimeSpan.FromMilliseconds(Math.Max(0, milliseconds)).ToString(format, CultureInfo.InvariantCulture);
}
