using System.Threading.Channels;
using Guru.Sandbox.Audio;
using Guru.Sandbox.Twilio;
using Spectre.Console;

namespace Guru.Sandbox.Commands;

/// <summary>Tells a call while it goes on, line by line, so that it reads well in a terminal and in a log.</summary>
sealed class LiveConversation(IAnsiConsole console)
{
    readonly Channel<LineEvent> _events = Channel.CreateUnbounded<LineEvent>();
    Task _telling = Task.CompletedTask;
    int _told;

    public void Follow(PlacedCall call)
    {
        call.Events.Follow(happened => _events.Writer.TryWrite(happened));
        _telling = TellAsync(call);
    }

    /// <summary>Everything that happened has been told.</summary>
    public Task FinishAsync()
    {
        _events.Writer.TryComplete();
        return _telling;
    }

    async Task TellAsync(PlacedCall call)
    {
        // Apart from the call's own clock, which no terminal may hold up.
        await foreach (var happened in _events.Reader.ReadAllAsync(CancellationToken.None))
        {
            Tell(call, happened);
        }
    }

    void Tell(PlacedCall call, LineEvent happened)
    {
        var line = happened switch
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
        if (line is not null)
        {
            console.MarkupLine($"[grey]{happened.At:mm\\:ss\\.f}[/]  {line}");
        }
    }

    string AgentLine(PlacedCall call)
    {
        // The first slice of speech is enough to know the line by.
        var lines = call.Heard;
        _told = lines.Count;
        return $"[green]agent[/]   {(lines.Count > 0 ? Markup.Escape(lines[^1].Sample.Text) : "[grey](speaks)[/]")}";
    }

    string? CutLine(PlacedCall call)
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
