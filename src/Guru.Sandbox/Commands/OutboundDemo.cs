using System.Net;
using System.Text.Json.Nodes;
using Guru.Sandbox.OpenAI;
using Guru.Sandbox.Twilio;
using Spectre.Console;

namespace Guru.Sandbox.Commands;

/// <summary>A person is asked, agrees, is called and gets a summary; shown as it goes on, and compared with the ledger at the end.</summary>
sealed class OutboundDemo(IAnsiConsole console)
{
    const string Sender = "whatsapp:+447700900123"; // Numbers of the USA may not call.
    const string Person = "whatsapp:+233201234567";
    const string Why = "your bill from the hospital";

    static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(500);

    static readonly string[] Expected =
    [
        "OutboundCallRefused", "CallPermissionRequested", "CallPermissionRequestSent", "CallPermissionGranted", "OutboundCallRequested", "OutboundCallAllowed",
        "OutboundCallPlaced", "OutboundCallEnded",
    ];

    public async Task<int> RunAsync(CancellationToken cancellationToken)
    {
        console.MarkupLine("[bold]A person is asked whether Guru may call, agrees, and is called.[/]");
        console.MarkupLine("[grey]Twilio and OpenAI are stand-ins on this machine, and at any hour; Guru, PostgreSQL, the protocols and the speech are real.[/]");
        console.WriteLine();
        var folder = Directory.CreateTempSubdirectory("guru-demo-");
        try
        {
            var rules = Path.Combine(folder.FullName, "rules.yaml");
            await File.WriteAllTextAsync(rules, "asOf: 2026-09-01\nsources: [the demo]\nwakingHours: { from: \"00:00\", to: \"24:00\" }\n", cancellationToken);
            await using var openai = await OpenAIStandIn.StartAsync(new OpenAIStandInOptions { ApiKey = GuruProcess.OpenAIKey }, cancellationToken);
            await using var twilio = await TwilioStandIn.StartAsync(
                new TwilioStandInOptions { WhatsAppNumber = Sender, NeedsCallPermission = true, WhenCalled = _ => new CallOptions { Script = Script } }, cancellationToken);
            var settings = new Dictionary<string, string>(StringComparer.Ordinal) { ["Guru__Calling__RulesPath"] = rules };
            await using var guru = await GuruProcess.StartAsync(openai, twilio, settings, cancellationToken: cancellationToken);
            twilio.AppUrl = guru.Address;
            return await CallAsync(twilio, guru.Address, cancellationToken);
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    private static System.Collections.Immutable.ImmutableList<CallerTurn> Script =>
    [
        new CallerTurn(new AgentFinished(Pause), new Say("yes-en")),
        new CallerTurn(new AgentFinished(Pause), new Say("bill-en")),
        new CallerTurn(new AgentFinished(Pause), new Say("thanks-en")),
        new CallerTurn(new AgentFinished(Pause), new HangUp()),
    ];

    private async Task<int> CallAsync(TwilioStandIn twilio, Uri guru, CancellationToken cancellationToken)
    {
        using var http = new HttpClient { BaseAddress = guru, DefaultRequestHeaders = { Authorization = new("Bearer", GuruProcess.OperatorKey) } };
        using var client = new GuruClient(guru, GuruProcess.AnalystKey);
        var phoneNumber = Person["whatsapp:".Length..];
        var content = new Content(TwilioIds.New("HX"), "call_permission_request", "en", new JsonObject
        {
            ["twilio/call-to-action"] = new JsonObject { ["body"] = "May we call you on WhatsApp about your question?" },
        });
        twilio.Contents.Made.Add(content);

        var conversation = new LiveConversation(console);
        conversation.Follow(twilio);
        var (status, refused) = await PostAsync(http, "calls", new { phoneNumber, reason = Why }, cancellationToken);
        console.MarkupLine($"[aqua]operator[/]  POST /api/whatsapp/voice/calls: [yellow]{(int)status}[/] {Markup.Escape((string?)refused["detail"] ?? "")}");

        (status, var asked) = await PostAsync(http, "permissions", new { phoneNumber, contentSid = content.Sid }, cancellationToken);
        var callerId = (string)asked["callerId"]!;
        console.MarkupLine($"[aqua]operator[/]  POST /api/whatsapp/voice/permissions: [green]{(int)status}[/]");
        var request = await twilio.WaitForMessageAsync(Person, cancellationToken: cancellationToken);
        await twilio.WriteAsync(InboundMessage.CallPermission(accepted: true) with { From = Person }, cancellationToken);
        (status, var plan) = await PostAsync(http, "calls", new { callerId, agent = "healthcare", reason = Why }, cancellationToken);
        console.MarkupLine($"[aqua]operator[/]  POST /api/whatsapp/voice/calls: [green]{(int)status}[/] {Markup.Escape((string?)plan["status"] ?? "")}");
        var call = await twilio.Calls.WaitAsync(call => call.To == Person, cancellationToken: cancellationToken);
        await call.Completion.WaitAsync(cancellationToken);
        await twilio.WaitForMessageAsync(Person, message => message.Sid != request.Sid, cancellationToken: cancellationToken);
        await conversation.FinishAsync();
        console.WriteLine();

        var ledger = await client.ReadConsentAsync(callerId, "OutboundCallEnded", cancellationToken);
        var mistakes = Mistakes(ledger, call).ToList();
        Report.Consent(console, ledger);
        console.WriteLine();
        console.MarkupLine(mistakes.Count == 0 ? "[green]The call was allowed by the person's answer, and the ledger shows it.[/]" : "[red]It did not go as expected:[/]");
        mistakes.ForEach(mistake => console.MarkupLine($"[red]-[/] {Markup.Escape(mistake)}"));
        return mistakes.Count == 0 ? 0 : 1;
    }

    private static IEnumerable<string> Mistakes(JsonNode ledger, PlacedCall call)
    {
        var entries = ledger["entries"]!.AsArray().OfType<JsonNode>().ToList();
        string? Of(string type, string member) => (string?)entries.Find(entry => (string?)entry["type"] == type)?[member];
        foreach (var missing in Expected.Except(entries.Select(entry => (string)entry["type"]!), StringComparer.Ordinal))
        {
            yield return $"{missing} is not in the ledger.";
        }

        if (Of("OutboundCallPlaced", "grantId") is not { } allowedBy || allowedBy != Of("CallPermissionGranted", "grantId"))
        {
            yield return "The call does not name the answer that allowed it.";
        }

        if (Of("OutboundCallPlaced", "callSid") != call.CallSid)
        {
            yield return "The ledger has another call.";
        }

        if (call.Heard is not [{ Sample.Id: "calling-en" }, ..])
        {
            yield return "The agent did not say first who is calling, and why.";
        }
    }

    private static async Task<(HttpStatusCode Status, JsonNode Body)> PostAsync(HttpClient http, string path, object body, CancellationToken cancellationToken)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, $"/api/whatsapp/voice/{path}") { Content = JsonContent.Create(body) };
        request.Headers.Add("Idempotency-Key", Guid.NewGuid().ToString());
        using var response = await http.SendAsync(request, cancellationToken);
        return (response.StatusCode, await response.Content.ReadFromJsonAsync<JsonNode>(cancellationToken) ?? new JsonObject());
    }
}
