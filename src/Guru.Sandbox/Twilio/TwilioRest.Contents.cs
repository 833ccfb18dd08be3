using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;

namespace Guru.Sandbox.Twilio;

/// <summary>Contents: made, listed, submitted for approval.</summary>
public sealed partial class TwilioRest
{
    private static readonly string[] CardActions = ["URL", "PHONE_NUMBER", "QUICK_REPLY", "VOICE_CALL", "COPY_CODE"];
    private static readonly string[] CallToActions = ["URL", "PHONE_NUMBER", "VOICE_CALL", "VOICE_CALL_REQUEST", "COPY_CODE"];

    private void MapContents(WebApplication app)
    {
        var contents = app.MapGroup("/v1").AddEndpointFilter(AdmitAsync);
        contents.MapPost("/Content", CreateContentAsync);
        contents.MapGet("/Content", () => Json(new JsonObject
        {
            ["contents"] = new JsonArray([.. twilio.Contents.Made.Entries.Select(Describe)]),
            ["meta"] = new JsonObject { ["next_page_url"] = null, ["page"] = 0, ["page_size"] = 50 },
        }));
        contents.MapPost("/Content/{sid}/ApprovalRequests/whatsapp", SubmitContentAsync);
        contents.MapGet("/Content/{sid}/ApprovalRequests", (string sid) => twilio.Contents.Find(sid) is { } content
            ? Json(new JsonObject { ["sid"] = sid, ["whatsapp"] = new JsonObject { ["type"] = "whatsapp", ["status"] = content.Approval } }) : NotFound(sid));
    }

    private async Task<IResult> CreateContentAsync(HttpRequest request)
    {
        if (await BodyAsync(request) is not { } body || body["types"] is not JsonObject { Count: > 0 } types
            || (string?)body["friendly_name"] is not { Length: > 0 } name || (string?)body["language"] is not { Length: > 0 } language)
        {
            return Error(400, 20422, "Invalid parameter");
        }

        foreach (var (type, content) in types)
        {
            var allowed = type == "twilio/call-to-action" ? CallToActions : CardActions;
            var actions = content?["actions"]?.AsArray().Select(action => (string?)action?["type"]).ToList() ?? [];
            var alone = !actions.Contains("VOICE_CALL_REQUEST") || actions.Count == 1;
            if (!alone || actions.Exists(action => !allowed.Contains(action)) || (type == "twilio/call-to-action" && (string?)content?["body"] is not { Length: > 0 }))
            {
                return Error(400, 20422, $"Invalid parameter: types.{type}");
            }
        }

        var made = new Content(TwilioIds.New("HX"), name, language, (JsonObject)types.DeepClone());
        twilio.Contents.Made.Add(made);
        return Json(Describe(made), 201);
    }

    private async Task<IResult> SubmitContentAsync(string sid, HttpRequest request)
    {
        if (twilio.Contents.Find(sid) is not { } content)
        {
            return NotFound(sid);
        }

        if (await BodyAsync(request) is not { } body || (string?)body["name"] is not { } name || !ApprovalName().IsMatch(name)
            || (string?)body["category"] is not ("UTILITY" or "MARKETING"))
        {
            return Error(400, 20422, "Invalid parameter");
        }

        content.Approval = "received";
        twilio.Contents.Submitted.Add((sid, name, (string)body["category"]!));
        return Json(new JsonObject { ["category"] = (string)body["category"]!, ["status"] = "received", ["name"] = name, ["content_type"] = content.Types.First().Key }, 201);
    }

    private static async Task<JsonNode?> BodyAsync(HttpRequest request)
    {
        try
        {
            return await JsonNode.ParseAsync(request.Body, cancellationToken: request.HttpContext.RequestAborted);
        }
        catch (JsonException)
        {
            return null;
        }
    }

    private static JsonObject Describe(Content content) => new()
    {
        ["sid"] = content.Sid,
        ["friendly_name"] = content.FriendlyName,
        ["language"] = content.Language,
        ["variables"] = new JsonObject(),
        ["types"] = content.Types.DeepClone(),
        ["url"] = $"/v1/Content/{content.Sid}",
        ["links"] = new JsonObject
        {
            ["approval_create"] = $"/v1/Content/{content.Sid}/ApprovalRequests/whatsapp",
            ["approval_fetch"] = $"/v1/Content/{content.Sid}/ApprovalRequests",
        },
    };

    [GeneratedRegex("^[a-z0-9_]{1,512}$", RegexOptions.None, matchTimeoutMilliseconds: 1000)]
    private static partial Regex ApprovalName();
}
