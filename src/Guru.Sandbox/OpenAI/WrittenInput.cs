using System.Text.Json.Nodes;

namespace Guru.Sandbox.OpenAI;

/// <param name="Role">user, assistant, system or developer.</param>
public sealed record WrittenTurn(string Role, string Text);

/// <summary>What a text request asks about.</summary>
public sealed record WrittenInput(string Instructions, IReadOnlyList<WrittenTurn> Turns)
{
    /// <summary>What the user has written since the last answer.</summary>
    public string Said => string.Join('\n', Turns.Skip(Answered).Where(turn => turn.Role == "user").Select(turn => turn.Text));

    /// <summary>All that was there before.</summary>
    public IEnumerable<WrittenTurn> Earlier => Turns.Where((turn, index) => index < Answered || turn.Role != "user");

    private int Answered
    {
        get
        {
            // A question about a whole conversation may end with the agent's turn: the user's last words are asked about then, too.
            var lastUser = Index(Turns.Count, "user");
            return lastUser < 0 ? Turns.Count : Index(lastUser, "assistant") + 1;
        }
    }

    /// <param name="input">A text, or the items of a conversation.</param>
    /// <param name="instructions">Null: none.</param>
    public static WrittenInput Of(JsonNode? input, string? instructions) => new(
        instructions ?? "",
        input is JsonArray items
            ? [.. items.Where(item => item?["role"] is not null).Select(item => new WrittenTurn((string)item!["role"]!, TextOf(item["content"])))]
            : [new WrittenTurn("user", (string?)input ?? "")]);

    private int Index(int before, string role)
    {
        for (var index = before - 1; index >= 0; index--)
        {
            if (Turns[index].Role == role)
            {
                return index;
            }
        }

        return -1;
    }

    private static string TextOf(JsonNode? content) => content is JsonArray parts
        ? string.Join('\n', parts.Select(part => (string?)part?["text"]).OfType<string>()) : (string?)content ?? "";
}
