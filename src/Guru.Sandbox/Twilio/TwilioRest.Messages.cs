using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;

namespace Guru.Sandbox.Twilio;

/// <summary>Messages: sent, listed with those that came in, and their media.</summary>
public sealed partial class TwilioRest
{
    private const int MaxBody = 1600;

    private void MapMessages(RouteGroupBuilder account)
    {
        account.MapPost("/Messages.json", CreateMessageAsync);
        account.MapGet("/Messages.json", ListMessages);
        account.MapGet("/Messages/{sid}.json", (string sid) =>
            Messages.Entries.FirstOrDefault(message => message.Sid == sid) is { } sent ? Json(Describe(sent))
            : twilio.Messaging.Written.Entries.FirstOrDefault(message => message.MessageSid == sid) is { } written ? Json(Describe(written))
            : NotFound(sid));
    }

    private void MapMedia(RouteGroupBuilder account)
    {
        account.MapGet("/Messages/{message}/Media.json", (string message) => Json(new JsonObject
        {
            ["media_list"] = new JsonArray([.. twilio.Messaging.Media.Of(message).Select(Describe)]),
            ["page"] = 0,
            ["page_size"] = 50,
            ["next_page_uri"] = null,
        }));
        account.MapGet("/Messages/{message}/Media/{sid}.json", (string message, string sid) =>
            twilio.Messaging.Media.Find(message, sid) is { } medium ? Json(Describe(medium)) : NotFound(sid));
        account.MapGet("/Messages/{message}/Media/{sid}", RedirectToMedia);
        account.MapDelete("/Messages/{message}/Media/{sid}.json", (string message, string sid) =>
            twilio.Messaging.Media.Remove(message, sid) ? Results.NoContent() : NotFound(sid));
    }

    private IResult RedirectToMedia(string message, string sid, HttpContext context)
    {
        var library = twilio.Messaging.Media;
        var medium = library.Find(message, sid);
        var status = medium is null ? 404 : library.Faults.RedirectStatus;
        library.Requests.Add(new MediaRequest(sid, AtCdn: false, context.Request.Headers.Authorization.Count > 0, status));
        if (medium is null)
        {
            return NotFound(sid);
        }

        context.Response.Headers.Location = twilio.Cdn.Link(medium).AbsoluteUri;
        return Results.StatusCode(status);
    }

    private async Task<IResult> CreateMessageAsync(HttpRequest request)
    {
        var form = await request.ReadFormAsync(request.HttpContext.RequestAborted);
        var (to, body, contentSid) = (form["To"].ToString(), form["Body"].ToString(), form["ContentSid"].ToString());
        if (Refuse(form) is { } refused)
        {
            return refused;
        }

        if (contentSid.Length > 0)
        {
            body = Rendered(contentSid, form["ContentVariables"].ToString());
        }

        var message = new SentMessage(
            TwilioIds.New(form["MediaUrl"].Count > 0 ? "MM" : "SM"), to, twilio.Options.WhatsAppNumber, body, twilio.Clock.GetUtcNow(),
            form.ToDictionary(field => field.Key, field => field.Value.ToString(), StringComparer.Ordinal));
        Messages.Add(message);
        var described = Describe(message);
        var answered = new TaskCompletionSource();
        request.HttpContext.Response.OnCompleted(() =>
        {
            answered.TrySetResult();
            return Task.CompletedTask;
        });
        var delivery = twilio.Messaging.SendAsync(message, Address(form["StatusCallback"]), contentSid.Length > 0, answered.Task);
        if (twilio.Messaging.Delivery.BeforeAnswer)
        {
            await delivery;
        }

        return Json(described, 201);
    }

    private IResult? Refuse(IFormCollection form)
    {
        var (to, from, body, contentSid) = (form["To"].ToString(), form["From"].ToString(), form["Body"].ToString(), form["ContentSid"].ToString());
        return 0 switch
        {
            _ when to.Length == 0 => Error(400, 21604, "A 'To' phone number is required."),
            _ when !IsAddress(to) => Error(400, 21211, $"The 'To' number {to} is not a valid phone number."),
            _ when from.Length == 0 && form["MessagingServiceSid"].Count == 0 => Error(400, 21603, "A 'From' phone number is required."),
            _ when from.Length > 0 && from != twilio.Options.WhatsAppNumber =>
                Error(400, 63007, "Twilio could not find a Channel with the specified From address"),
            _ when to == twilio.Options.WhatsAppNumber => Error(400, 63031, "Channel message cannot have same From and To"),
            _ when contentSid.Length == 0 && form["ContentVariables"].Count > 0 => Error(400, 21654, "ContentSid Required"),
            _ when contentSid.Length > 0 && !IsTemplate(contentSid) => Error(400, 21655, "The ContentSid is Invalid"),
            _ when !AreVariables(form["ContentVariables"].ToString()) => Error(400, 21656, "The Content Variables parameter is invalid."),
            _ when body.Length == 0 && contentSid.Length == 0 && form["MediaUrl"].Count == 0 => Error(400, 21602, "Message body is required."),
            _ when body.Length > MaxBody => Error(400, 21617, $"The concatenated message body exceeds the {MaxBody} character limit."),
            _ when form["StatusCallback"].ToString() is { Length: > 0 } callback && Address(callback)?.Scheme is not ("http" or "https") =>
                Error(400, 21609, $"The StatusCallback URL {callback} is not a valid URL."),
            _ => null,
        };
    }

    private bool IsTemplate(string contentSid) => TemplateSid().IsMatch(contentSid)
        && (twilio.Options.Templates.IsEmpty || twilio.Options.Templates.ContainsKey(contentSid) || twilio.Contents.Find(contentSid) is not null);

    private string Rendered(string contentSid, string variables)
    {
        var text = twilio.Contents.Find(contentSid)?.Text ?? twilio.Options.Templates.GetValueOrDefault(contentSid, "");
        return variables.Length == 0 ? text : JsonNode.Parse(variables)!.AsObject().Aggregate(
            text, (filled, variable) => filled.Replace($"{{{{{variable.Key}}}}}", variable.Value!.ToString(), StringComparison.Ordinal));
    }

    private static bool AreVariables(string json)
    {
        try
        {
            return json.Length == 0 || (JsonNode.Parse(json) is JsonObject values
                && values.All(value => value.Value?.GetValueKind() is JsonValueKind.String));
        }
        catch (JsonException)
        {
            return false;
        }
    }

    /// <summary>Both directions, as with Twilio: To and From tell them apart.</summary>
    private IResult ListMessages(HttpRequest request)
    {
        var listed = twilio.Clock.GetUtcNow() - ListingDelay;
        var sent = Messages.Entries.Reverse()
            .Where(message => message.CreatedAt <= listed && Fits(request, "To", message.To) && Fits(request, "From", message.From))
            .Select(message => (message.CreatedAt, message.Sid, Item: Describe(message)));
        var written = twilio.Messaging.Written.Entries.Reverse()
            .Where(message => message.At <= listed && Fits(request, "To", twilio.Options.WhatsAppNumber) && Fits(request, "From", message.Message.From))
            .Select(message => (CreatedAt: message.At, Sid: message.MessageSid, Item: Describe(message)));
        return Page(request, "messages", sent.Concat(written)
            .Where(message => InTime(request, "DateSent", message.CreatedAt))
            .OrderByDescending(message => message.CreatedAt)
            .Select(message => (message.Sid, message.Item)));
    }

    private JsonObject Describe(SentMessage message) => Describe(
        message.Sid, message.Body, message.Direction, message.From, message.To, message.Status, message.Parameters.ContainsKey("MediaUrl") ? 1 : 0,
        message.CreatedAt, message.ErrorCode);

    private JsonObject Describe(WrittenMessage message) => Describe(
        message.MessageSid, message.Parameters["Body"], "inbound", message.Message.From, twilio.Options.WhatsAppNumber, "received",
        twilio.Messaging.Media.Of(message.MessageSid).Count, message.At, errorCode: null);

    private JsonObject Describe(
        string sid, string body, string direction, string from, string to, string status, int media, DateTimeOffset at, int? errorCode) => new()
    {
        ["sid"] = sid,
        ["account_sid"] = twilio.Options.AccountSid,
        ["api_version"] = "2010-04-01",
        ["body"] = body,
        ["direction"] = direction,
        ["from"] = from,
        ["to"] = to,
        ["status"] = status,
        ["num_media"] = media.ToString(CultureInfo.InvariantCulture),
        ["num_segments"] = "1",
        ["messaging_service_sid"] = null,
        ["date_created"] = Rfc2822(at),
        ["date_sent"] = status == "queued" ? null : Rfc2822(at),
        ["date_updated"] = Rfc2822(at),
        ["price"] = null,
        ["price_unit"] = "USD",
        ["error_code"] = errorCode,
        ["error_message"] = errorCode is { } code ? MessageErrors.TextOf(code) : null,
        ["uri"] = $"/2010-04-01/Accounts/{twilio.Options.AccountSid}/Messages/{sid}.json",
        ["subresource_uris"] = new JsonObject { ["media"] = $"/2010-04-01/Accounts/{twilio.Options.AccountSid}/Messages/{sid}/Media.json" },
    };

    private JsonObject Describe(StoredMedium medium) => new()
    {
        ["sid"] = medium.Sid,
        ["account_sid"] = twilio.Options.AccountSid,
        ["parent_sid"] = medium.MessageSid,
        ["content_type"] = medium.ContentType,
        ["date_created"] = Rfc2822(medium.CreatedAt),
        ["date_updated"] = Rfc2822(medium.CreatedAt),
        ["uri"] = $"/2010-04-01/Accounts/{twilio.Options.AccountSid}/Messages/{medium.MessageSid}/Media/{medium.Sid}.json",
    };

    [GeneratedRegex("^HX[0-9a-fA-F]{32}$", RegexOptions.None, matchTimeoutMilliseconds: 1000)]
    private static partial Regex TemplateSid();
}
