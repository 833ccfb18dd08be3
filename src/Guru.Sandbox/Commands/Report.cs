using System.Text.Json.Nodes;
using Guru.Sandbox.Scenarios;
using Spectre.Console;

namespace Guru.Sandbox.Commands;

/// <summary>What Guru recorded, in tables.</summary>
static class Report
{
    public static void Transcript(IAnsiConsole console, GuruCall call)
    {
        var table = Table("The call as it was said and heard", "from", "to", "speaker", "said", "heard");
        foreach (var utterance in call.Utterances)
        {
            var (said, heard) = ((string)utterance["said"]!, (string)utterance["heard"]!);
            var agent = (string?)utterance["speaker"] == "agent";
            table.AddRow(
                Seconds(utterance["startMs"]), Seconds(utterance["endMs"]),
                agent ? "[green]agent[/]" : "[aqua]caller[/]",
                Markup.Escape(said),
                (bool)utterance["interrupted"]! ? $"{Markup.Escape(heard)} [red]|cut[/]" : said == heard ? "[grey]all[/]"
                    : Markup.Escape(heard));
        }

        console.Write(table);
    }

    public static void Timeline(IAnsiConsole console, ConversationRecord conversation)
    {
        var table = Table("The conversation as Guru tells it", "after", "channel", "speaker", "text");
        foreach (var message in conversation.Messages)
        {
            table.AddRow(
                $"{(message.At - conversation.Messages[0].At).TotalSeconds:F1} s", Markup.Escape(message.Channel),
                message.Speaker == "agent" ? $"[green]{Markup.Escape(message.Agent ?? "agent")}[/]" : "[aqua]caller[/]", Markup.Escape(message.Text));
        }

        console.Write(table);
    }

    public static void Events(IAnsiConsole console, GuruCall call)
    {
        var table = Table("The events of the call as stored", "version", "type", "after", "data");
        var first = call.Events.Count > 0 ? Time(call.Events[0]) : default;
        foreach (var stored in call.Events)
        {
            table.AddRow(
                $"{stored["version"]}", $"[yellow]{Markup.Escape((string)stored["type"]!)}[/]",
                $"{(Time(stored) - first).TotalSeconds:F1} s", Markup.Escape(Brief(stored["data"])));
        }

        console.Write(table);
    }

    public static void Consent(IAnsiConsole console, JsonNode ledger)
    {
        var table = Table($"The consent ledger: {Markup.Escape((string?)ledger["permission"] ?? "")}", "at", "event", "by", "call", "what");
        foreach (var entry in ledger["entries"]!.AsArray().OfType<JsonNode>())
        {
            string?[] what = [(string?)entry["note"], (string?)entry["outcome"], string.Join(' ', entry["reasons"]!.AsArray().Select(reason => (string?)reason))];
            table.AddRow(
                $"{(DateTimeOffset)entry["at"]!:HH:mm:ss.f}", $"[yellow]{Markup.Escape((string)entry["type"]!)}[/]", Ending((string?)entry["grantId"]),
                Ending((string?)entry["callSid"]), Markup.Escape(string.Join(' ', what.Where(text => !string.IsNullOrEmpty(text)))));
        }

        console.Write(table);

        // The end of an id tells it apart.
        static string Ending(string? sid) => sid is { Length: > 8 } ? $"{sid[..2]}…{sid[^6..]}" : sid ?? "";
    }

    public static void Latency(IAnsiConsole console, GuruCall call)
    {
        var table = Table("From the end of the caller's words to the agent's voice", "turn", "first audio sent", "first audio played",
            "said");
        var turn = 0;
        foreach (var utterance in call.Utterances.Where(utterance => (string?)utterance["speaker"] == "agent"))
        {
            turn++;
            table.AddRow($"{turn}", Milliseconds(utterance["firstAudioMs"]), Milliseconds(utterance["firstHeardMs"]),
                Markup.Escape(Short((string)utterance["said"]!, 40)));
        }

        console.Write(table);
    }

    public static void Verdict(IAnsiConsole console, ScenarioOutcome outcome)
    {
        if (outcome.Mistakes.Count == 0)
        {
            console.MarkupLine("[green]The record is exactly what the scenario expects.[/]");
            return;
        }

        console.MarkupLine("[red]The record is not what the scenario expects:[/]");
        foreach (var mistake in outcome.Mistakes)
        {
            console.MarkupLine($"  [red]-[/] {Markup.Escape(mistake)}");
        }
    }

    static Table Table(string title, params string[] columns)
    {
        var table = new Table { Title = new TableTitle($"[bold]{title}[/]"), Border = TableBorder.Rounded, UseSafeBorder = true };
        foreach (var column in columns)
        {
            table.AddColumn(new TableColumn($"[bold]{column}[/]"));
        }

        return table;
    }

    /// <summary>The members of an event, without those that are long and say little.</summary>
    static string Brief(JsonNode? data) => data is not JsonObject members ? "" : string.Join(", ", members
        .Where(member => member.Key is not ("at" or "callSid" or "callerId" or "streamTokenHash" or "heard" or "utteranceId" or "usageId"))
        .Where(member => member.Value is not null)
        .Select(member => $"{member.Key}={Short(member.Value is JsonObject nested ? Brief(nested) : member.Value!.ToString(), 60)}"));

    static string Short(string text, int length) => text.Length <= length ? text : text[..(length - 1)] + "…";

    static DateTimeOffset Time(JsonNode stored) =>
        DateTimeOffset.Parse((string)stored["at"]!, System.Globalization.CultureInfo.InvariantCulture);

    static string Seconds(JsonNode? ms) => ms is null ? "" : $"{(double)ms / 1000:F1} s";

    static string Milliseconds(JsonNode? ms) => ms is null ? "[grey]-[/]" : $"{ms} ms";
}
