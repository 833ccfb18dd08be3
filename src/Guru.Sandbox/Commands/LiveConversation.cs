using System.Diagnostics;
using System.Threading.Channels;
using Guru.Sandbox.Audio;
using Guru.Sandbox.Twilio;
using Spectre.Console;

namespace Guru.Sandbox.Commands;

/// <summary>Tells texts, voice notes and calls as they happen, line by line, so that it reads well in a terminal and in a log.</summary>
sealed class LiveConversation(IAnsiConsole console)
{
    private readonly Channel<(TimeSpan At, Func<string?> Line)> _happened = Channel.CreateUnbounded<(TimeSpan, Func<string?>)>();
    private long _began;
    private Task _telling = Task.CompletedTask;
    private int _told;

    private TimeSpan Now => Stopwatch.GetElapsedTime(_began);

    /// <summary>Everything between people and the application, from now on.</summary>
    public void Follow(TwilioStandIn twilio)
    {
        _began = Stopwatch.GetTimestamp();
        twilio.Messaging.Written.Follow(written => Happens(Now, () => WrittenLine(written)));
        twilio.Messaging.Received.Follow(message => Happens(Now, () => $"[green]agent[/]   writes: {Markup.Escape(message.Body)}"));
        twilio.Calls.Follow(Follow);

        // Apart from the calls' own clock, which no terminal may hold up.
        _telling = TellAsync();
    }

    /// <summary>Everything that happened has been told.</summary>
    public Task FinishAsync()
    {
        _happened.Writer.TryComplete();
        return _telling;
    }

    private void Follow(PlacedCall call)
    {
        var began = Now;
        call.Events.Follow(happened => Happens(began + happened.At, () => LineOf(call, happened)));
    }

    private void Happens(TimeSpan at, Func<string?> line) => _happened.Writer.TryWrite((at, line));

    private async Task TellAsync()
    {
        await foreach (var (at, line) in _happened.Reader.ReadAllAsync(CancellationToken.None))
        {
            if (line() is { } text)
            {
                console.MarkupLine($"[grey]{at:mm\\:ss\\.f}[/]  {text}");
            }
        }
    }

    private static string WrittenLine(WrittenMessage written) => written.Message is { Kind: MessageKind.VoiceNote, SampleId: { } sample }
        ? $"[aqua]caller[/]  sends a voice note: {Markup.Escape(SampleLibrary.Shipped[sample].Text)}"
        : $"[aqua]caller[/]  writes: {Markup.Escape(InboundFields.BodyOf(written.Message))}";

    private string? LineOf(PlacedCall call, LineEvent happened) => happened switch
    {
        WebhookSent { Parameters: var sent } webhook when sent.TryGetValue("CallStatus", out var status) && status == "ringing" =>
            $"[grey]the phone rings; Guru answers in {webhook.Took.TotalMilliseconds:F0} ms[/]",
        StreamOpened => "[grey]the Media Stream is up[/]",
        StreamRefused refused => $"[red]the Media Stream was refused ({refused.Status})[/]",
        CallerSpoke spoke => $"[aqua]caller[/]  {Markup.Escape(SampleLibrary.Shipped[spoke.SampleId].Text)}",
        AgentTurnBegan => AgentLine(call),
        AgentTurnEnded { Cleared: true } => CutLine(call),
        SentenceSaid said => $"[yellow]carrier[/] {Markup.Escape(said.Text)}",
        StreamEnded { How: StreamEnd.Lost } => "[red]the Media Stream is lost[/]",
        CallOver over => $"[grey]{(over.ByCaller ? "the caller hangs up" : "the call is ended by Guru")}[/]",
        _ => null,
    };

    private string AgentLine(PlacedCall call)
    {
        // The first slice of speech is enough to know the line by.
        var lines = call.Heard;
        _told = lines.Count;
        return $"[green]agent[/]   {(lines.Count > 0 ? Markup.Escape(lines[^1].Sample.Text) : "[grey](speaks)[/]")}";
    }

    private string? CutLine(PlacedCall call)
    {
        var lines = call.Heard;
        if (_told == 0 || lines.Count < _told)
        {
            return null;
        }

        var line = lines[_told - 1];
        var heard = line.Sample.TextOf(0, line.PlayedBytes);
        return $"[red]  cut[/]   after {line.Heard.TotalSeconds:F1} s; heard: [grey]…{Markup.Escape(heard[Math.Max(0, heard.Length - 60)..])}[/]";
    }
}
