using System.CommandLine;
using System.Diagnostics;
using System.Text.Json;
using System.Text.Json.Nodes;
using Guru.Sandbox.OpenAI;
using Guru.Sandbox.Scenarios;
using Guru.Sandbox.Twilio;
using Spectre.Console;

namespace Guru.Sandbox.Commands;

/// <summary>The sandbox on the command line.</summary>
static class SandboxCommands
{
    const int PlainWidth = 132;

    public static RootCommand Build()
    {
        // A log gets neither colours nor the width of a terminal that is not there.
        var plain = Console.IsOutputRedirected;
        var console = AnsiConsole.Create(new AnsiConsoleSettings { Ansi = plain ? AnsiSupport.No : AnsiSupport.Detect });
        if (plain)
        {
            console.Profile.Width = PlainWidth;
        }

        return new RootCommand("Twilio's and OpenAI's side of the wire, on this machine: no account is needed, nothing leaves it.")
        {
            Demo(console), Scenarios(console), Serve(console),
        };
    }

    static Command Demo(IAnsiConsole console)
    {
        var wav = new Option<FileInfo>("--wav")
        {
            Description = "Where both sides of the call are written, in stereo.",
            DefaultValueFactory = _ => new FileInfo("artifacts/demo.wav"),
        };
        var name = new Option<string>("--scenario") { Description = "Another scenario.", DefaultValueFactory = _ => "text-then-call" };
        var stay = new Option<bool>("--stay") { Description = "Leaves Guru open instead, with sample calls on record, until Ctrl+C." };
        var sampleCalls = new Option<int>("--calls") { Description = "How many sample calls.", DefaultValueFactory = _ => 300 };
        var command = new Command("demo", "Writes, calls and writes again, shows it, and compares what Guru recorded with what should be there.")
        {
            wav, name, stay, sampleCalls,
        };
        var outbound = new Command("outbound", "Asks a person for permission, calls them, and compares the consent ledger with what should be there.");
        outbound.SetAction((_, cancellationToken) => ReportedAsync(console, () => new OutboundDemo(console).RunAsync(cancellationToken)));
        command.Add(outbound);
        command.SetAction((parsed, cancellationToken) => ReportedAsync(console, () => parsed.GetValue(stay)
            ? new StayingDemo(console).RunAsync(parsed.GetValue(sampleCalls), cancellationToken)
            : DemoAsync(console, ScenarioFile.Load(parsed.GetValue(name)!), parsed.GetValue(wav)!, cancellationToken)));
        return command;
    }

    static Command Scenarios(IAnsiConsole console)
    {
        var files = new Argument<string[]>("files")
        {
            Description = "Scenario files, names of shipped scenarios, or all.",
            Arity = ArgumentArity.OneOrMore,
        };
        var parallel = new Option<int>("--parallel")
        {
            Description = "How many at once, each with a Guru of its own.",
            DefaultValueFactory = _ => 2,
        };
        var command = new Command("scenario", "Plays scenarios in real time; the exit code is 0 when all went as expected.")
        {
            files, parallel,
        };
        command.SetAction((parsed, cancellationToken) => ReportedAsync(console, () =>
            ScenariosAsync(console, parsed.GetValue(files)!, parsed.GetValue(parallel), cancellationToken)));
        return command;
    }

    static Command Serve(IAnsiConsole console)
    {
        var openai = new Option<int>("--openai-port") { DefaultValueFactory = _ => 4010 };
        var twilio = new Option<int>("--twilio-port") { DefaultValueFactory = _ => 4020 };
        var app = new Option<Uri>("--app") { Description = "Guru's address.", DefaultValueFactory = _ => new Uri("http://127.0.0.1:3001") };
        var call = new Option<string?>("--call") { Description = "Places the call of this scenario whenever Enter is pressed." };
        var command = new Command("serve", "Runs both stand-ins until Ctrl+C, for a Guru that is started by hand.")
        {
            openai, twilio, app, call,
        };
        command.SetAction((parsed, cancellationToken) => ReportedAsync(console, () => ServeAsync(
            console, parsed.GetValue(openai), parsed.GetValue(twilio), parsed.GetValue(app)!, parsed.GetValue(call), cancellationToken)));
        return command;
    }

    static async Task<int> DemoAsync(IAnsiConsole console, Scenario scenario, FileInfo wav, CancellationToken cancellationToken)
    {
        console.MarkupLine($"[bold]{Markup.Escape(scenario.Title)}.[/]");
        console.MarkupLine("[grey]Twilio and OpenAI are stand-ins on this machine; Guru, PostgreSQL, the protocols and the speech are real.[/]");
        console.WriteLine();
        var conversation = new LiveConversation(console);
        var outcome = await ScenarioRun.RunAsync(scenario, conversation.Follow, cancellationToken: cancellationToken);
        await conversation.FinishAsync();
        console.WriteLine();
        if (outcome.Conversation is { } timeline)
        {
            Report.Timeline(console, timeline);
            console.WriteLine();
        }

        if (outcome.Recorded is { } recorded)
        {
            Report.Transcript(console, recorded);
            console.WriteLine();
            Report.Events(console, recorded);
            console.WriteLine();
            Report.Latency(console, recorded);
            console.WriteLine();
        }

        if (outcome.Wav.Length > 0)
        {
            Directory.CreateDirectory(wav.DirectoryName!);
            await File.WriteAllBytesAsync(wav.FullName, outcome.Wav, cancellationToken);
            console.MarkupLine($"Both sides of the call: [aqua]{Markup.Escape(wav.FullName)}[/] (the caller left, what was played to them right).");
        }

        Report.Verdict(console, outcome);
        if (outcome.Mistakes.Count > 0)
        {
            PrintLog(console, outcome.Log);
        }

        return outcome.Mistakes.Count == 0 ? 0 : 1;
    }

    static async Task<int> ScenariosAsync(IAnsiConsole console, string[] files, int parallel, CancellationToken cancellationToken)
    {
        IReadOnlyList<Scenario> scenarios = files is ["all"] ? ScenarioFile.All() : [.. files.Select(ScenarioFile.Load)];
        var failed = 0;
        var limits = new ParallelOptions { MaxDegreeOfParallelism = Math.Clamp(parallel, 1, 16), CancellationToken = cancellationToken };
        await Parallel.ForEachAsync(scenarios, limits, async (scenario, token) =>
        {
            var started = Stopwatch.GetTimestamp();
            ScenarioOutcome? outcome = null;
            IReadOnlyList<string> mistakes;
            try
            {
                outcome = await ScenarioRun.RunAsync(scenario, cancellationToken: token);
                mistakes = outcome.Mistakes;
            }
            catch (InvalidOperationException exception)
            {
                mistakes = [exception.Message];
            }

            lock (console)
            {
                console.MarkupLine($"{(mistakes.Count == 0 ? "[green]pass[/]" : "[red]FAIL[/]")}  {Markup.Escape(scenario.Name),-36} {Stopwatch.GetElapsedTime(started).TotalSeconds,5:F0} s  [grey]{Markup.Escape(scenario.Title)}[/]");
                foreach (var mistake in mistakes)
                {
                    console.MarkupLine($"      [red]-[/] {Markup.Escape(mistake)}");
                }

                if (mistakes.Count > 0)
                {
                    failed++;
                    if (outcome?.Conversation is { } timeline)
                    {
                        Report.Timeline(console, timeline);
                    }

                    if (outcome?.Recorded is { } recorded)
                    {
                        Report.Transcript(console, recorded);
                        Report.Events(console, recorded);
                    }

                    PrintLog(console, outcome?.Log ?? []);
                }
            }
        });
        console.MarkupLine(failed == 0 ? $"[green]All {scenarios.Count} scenarios went as expected.[/]"
            : $"[red]{failed} of {scenarios.Count} scenarios did not go as expected.[/]");
        return failed == 0 ? 0 : 1;
    }

    static async Task<int> ServeAsync(IAnsiConsole console, int openaiPort, int twilioPort, Uri app, string? scenarioName,
        CancellationToken cancellationToken)
    {
        var scenario = scenarioName is null ? null : ScenarioFile.Load(scenarioName);
        var options = scenario?.StandIn(GuruProcess.OpenAIKey) ?? new OpenAIStandInOptions { ApiKey = GuruProcess.OpenAIKey };
        await using var openai = await OpenAIStandIn.StartAsync(options with { Port = openaiPort }, cancellationToken);
        await using var twilio = await TwilioStandIn.StartAsync(new TwilioStandInOptions { Port = twilioPort, AppUrl = app },
            cancellationToken);
        console.MarkupLine("[bold]The sandbox is up.[/] Start Guru with:");
        foreach (var (name, value) in GuruProcess.Variables(openai.BaseUrl, twilio, app, ".guru"))
        {
            console.WriteLine($"export {name}={value}");
        }

        console.WriteLine();
        new LiveConversation(console).Follow(twilio);
        console.MarkupLine(scenario is null ? "[grey]Ctrl+C stops it.[/]" : "[grey]Enter places a call; Ctrl+C stops it.[/]");
        try
        {
            while (true)
            {
                if (scenario is null || await Console.In.ReadLineAsync(cancellationToken) is null)
                {
                    await Task.Delay(Timeout.Infinite, cancellationToken);
                }

                await twilio.PlaceCallAsync(scenario!.Call, cancellationToken);
            }
        }
        catch (OperationCanceledException)
        {
            return 0;
        }
    }

    static async Task<int> ReportedAsync(IAnsiConsole console, Func<Task<int>> run)
    {
        try
        {
            return await run();
        }
        catch (Exception exception) when (exception is InvalidOperationException or ScenarioException or IOException or TimeoutException)
        {
            console.MarkupLine($"[red]{Markup.Escape(exception.Message)}[/]");
            return 2;
        }
        catch (OperationCanceledException)
        {
            return 130;
        }
    }

    static void PrintLog(IAnsiConsole console, IReadOnlyCollection<string> log)
    {
        if (log.Count == 0)
        {
            return;
        }

        console.MarkupLine("[grey]Guru's log, its last lines:[/]");
        foreach (var line in log.TakeLast(25))
        {
            console.WriteLine("  " + Message(line));
        }
    }

    /// <summary>Guru logs JSON; a person reads the message in it.</summary>
    static string Message(string line)
    {
        try
        {
            return line.StartsWith('{') && JsonNode.Parse(line) is { } entry ? $"{entry["LogLevel"]}: {entry["Message"]}" : line;
        }
        catch (JsonException)
        {
            return line;
        }
    }
}
