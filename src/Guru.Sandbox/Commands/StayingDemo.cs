using Guru.Sandbox.OpenAI;
using Guru.Sandbox.Scenarios;
using Guru.Sandbox.Twilio;
using Spectre.Console;

namespace Guru.Sandbox.Commands;

/// <summary>Guru as analysts find it, with some hundred sample calls on record, and left open; Enter places one more call, to be followed live.</summary>
sealed class StayingDemo(IAnsiConsole console)
{
    const string Call = "hospital-bill";

    public async Task<int> RunAsync(int sampleCalls, CancellationToken cancellationToken)
    {
        var scenario = ScenarioFile.Load(Call);
        console.MarkupLine($"[grey]Storing {sampleCalls} sample calls, and starting Guru.[/]");
        await using var openai = await OpenAIStandIn.StartAsync(scenario.StandIn(GuruProcess.OpenAIKey), cancellationToken);
        await using var twilio = await TwilioStandIn.StartAsync(cancellationToken: cancellationToken);
        await using var guru = await GuruProcess.StartAsync(openai, twilio, sampleCalls: sampleCalls, cancellationToken: cancellationToken);
        twilio.AppUrl = guru.Address;
        console.WriteLine();
        console.MarkupLine($"[bold]Guru is open, with {sampleCalls} sample calls:[/] invented, on the node sample-data; nobody called.");
        console.WriteLine($"  dashboard    {guru.Address}");
        console.WriteLine($"  key          {GuruProcess.AnalystKey}");
        console.WriteLine($"  API          curl -H 'Authorization: Bearer {GuruProcess.AnalystKey}' '{guru.Address}api/analytics/summary'");
        console.WriteLine($"  its live log curl -N -H 'Authorization: Bearer {GuruProcess.AnalystKey}' '{guru.Address}api/live'");
        console.WriteLine($"  described at {guru.Address}openapi/v1.json");
        console.WriteLine();
        console.MarkupLine("[grey]Enter places a call, which can be followed live; Ctrl+C ends all of it.[/]");
        new LiveConversation(console).Follow(twilio);
        try
        {
            while (true)
            {
                // Where nothing can be typed, there is nothing to wait for but the end.
                if (await Task.Run(Console.In.ReadLine, cancellationToken).WaitAsync(cancellationToken) is null)
                {
                    await Task.Delay(Timeout.Infinite, cancellationToken);
                }

                await twilio.PlaceCallAsync(scenario.Call, cancellationToken);
            }
        }
        catch (OperationCanceledException)
        {
            return 0;
        }
    }
}
