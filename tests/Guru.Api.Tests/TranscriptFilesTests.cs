using Guru.Api.Calls;
using Guru.Application.Calls;
using Guru.Domain.Calls;
using Shouldly;

namespace Guru.Api.Tests;

public sealed class TranscriptFilesTests
{
    private const string Sid = "CA00000000000000000000000000000001";

    private static readonly Transcript Talk = new(Sid, CallStatus.Completed,
    [
        Line(Speaker.Agent, "Call the billing office first.", "Call the billing", 0),
        Line(Speaker.Caller, "=1+1 <b>, wait.", "=1+1 <b>, wait.", 1_500),
        Line(Speaker.Caller, "", "", 61_000, TranscriptionOutcome.Failed),
    ]);

    [Fact]
    public void As_text_it_marks_what_was_not_heard_and_what_was_not_understood() => Write("txt").ShouldBe(
        "00:00:00  Guru (general): Call the billing [not heard: office first.]\n00:00:01  Caller: =1+1 <b>, wait.\n00:01:01  Caller: [not understood]\n");

    [Fact]
    public void As_captions_it_has_what_was_heard_and_no_tags_of_the_speakers() => Write("vtt").ShouldBe(
        "WEBVTT\n\n00:00:00.000 --> 00:00:01.000\n<v Guru (general)>Call the billing\n\n00:00:01.500 --> 00:00:02.500\n<v Caller>=1+1 &lt;b&gt;, wait.\n");

    [Fact]
    public void As_a_table_it_has_the_columns_of_the_export_and_no_formulas()
    {
        var rows = Write("csv").Split("\r\n");

        rows[0].ShouldStartWith("callSid,callerId,callStartedAt,id,speaker,agent,said,heard,");
        rows[1].ShouldContain(",agent,general,Call the billing office first.,Call the billing,true,");
        rows[2].ShouldContain("\"'=1+1 <b>, wait.\"");
    }

    private static string Write(string format) => TranscriptFiles.Write(
        format,
        new CallSummary(
            Sid, "caller", CallChannel.Whatsapp, CallDirection.Inbound, "general", "en", CallStatus.Completed, CallEndReason.CallerHungUp, DateTimeOffset.UnixEpoch,
            EndedAt: null, DurationSeconds: 60, ["general"], Node: null, Turns: 3, BargeIns: 1, Interrupted: true, CallerTalkMs: 0, AgentTalkMs: 0, LatencyP50Ms: null,
            LatencyP95Ms: null, Cost: 0, CostIsComplete: true, "+1***41"),
        Talk);

    private static TranscriptLine Line(
        Speaker speaker, string said, string heard, long startMs, TranscriptionOutcome outcome = TranscriptionOutcome.Completed) => new(
        "item", speaker, "general", said, heard, said != heard, outcome, startMs, startMs + 1_000, 1_000, 1_000, Language: null, FirstAudioMs: null, FirstHeardMs: null);
}
