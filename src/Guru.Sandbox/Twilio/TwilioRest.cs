using System.Collections.Concurrent;
using System.Globalization;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Guru.Sandbox.Timing;

namespace Guru.Sandbox.Twilio;

/// <summary>A REST request that fails, once.</summary>
/// <param name="Resource">Calls, Messages or Indicators.</param>
public sealed record RestFault(string Resource, int Status, int Code, string Message = "It was arranged to fail.");

/// <summary>A message that the application sent.</summary>
public sealed record SentMessage(
    string Sid, string To, string From, string Body, DateTimeOffset CreatedAt, IReadOnlyDictionary<string, string> Parameters)
{
    public string Status { get; internal set; } = "queued";

    public int? ErrorCode { get; internal set; }
}

/// <summary>The part of Twilio's REST API that a voice agent uses: calls, messages and the typing indicator.</summary>
public sealed class TwilioRest(TwilioStandIn twilio)
{
    const int MaxBody = 1600;

    static readonly JsonSerializerOptions Plain = new() { Encoder = System.Text.Encodings.Web.JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    readonly ConcurrentQueue<RestFault> _faults = [];
    readonly ConcurrentQueue<int> _undeliverable = [];

    /// <summary>What the application sent, in order.</summary>
    public Journal<SentMessage> Messages { get; } = new();

    /// <summary>The messages for which the typing indicator was shown.</summary>
    public Journal<string> Typing { get; } = new();

    /// <summary>Requests to change a call: its sid, and the parameters.</summary>
    public Journal<(string CallSid, IReadOnlyDictionary<string, string> Parameters)> CallUpdates { get; } = new();

    /// <summary>The next request to a resource is answered so, and not executed.</summary>
    public void FailNext(RestFault fault) => _faults.Enqueue(fault);

    /// <summary>The next message is accepted, and its status callback says that it failed; 63016 outside the 24-hour window.</summary>
    public void FailNextDelivery(int errorCode) => _undeliverable.Enqueue(errorCode);

    internal void Map(WebApplication app)
    {
        var account = app.MapGroup("/2010-04-01/Accounts/{account}").AddEndpointFilter(AdmitAsync);
        account.MapPost("/Calls.json", CreateCallAsync);
        account.MapGet("/Calls.json", ListCalls);
        account.MapGet("/Calls/{sid}.json", (string sid) => twilio.FindCall(sid) is { } call ? Json(Describe(call)) : NotFound(sid));
        account.MapPost("/Calls/{sid}.json", UpdateCallAsync);
        account.MapPost("/Messages.json", CreateMessageAsync);
        account.MapGet("/Messages.json", ListMessages);
        account.MapGet("/Messages/{sid}.json", (string sid) =>
            Messages.Entries.FirstOrDefault(message => message.Sid == sid) is { } message ? Json(Describe(message)) : NotFound(sid));
        app.MapPost("/v2/Indicators/Typing.json", TypingAsync).AddEndpointFilter(AdmitAsync);
    }

    async ValueTask<object?> AdmitAsync(EndpointFilterInvocationContext invocation, EndpointFilterDelegate next)
    {
        var request = invocation.HttpContext.Request;
        (string User, string? Secret)[] keys =
            [(twilio.Options.AccountSid, twilio.Options.AuthToken), (twilio.Options.ApiKey, twilio.Options.ApiSecret)];
        if (!Array.Exists(keys, key =>
            request.Headers.Authorization == $"Basic {Convert.ToBase64String(Encoding.UTF8.GetBytes($"{key.User}:{key.Secret}"))}"))
        {
            return Error(401, 20003, "Authenticate");
        }

        if (request.RouteValues["account"] is string account && account != twilio.Options.AccountSid)
        {
            return NotFound(account);
        }

        if (_faults.TryPeek(out var fault) && request.Path.Value!.Contains($"/{fault.Resource}", StringComparison.Ordinal)
            && _faults.TryDequeue(out _))
        {
            return Error(fault.Status, fault.Code, fault.Message);
        }

        return await next(invocation);
    }

    async Task<IResult> CreateCallAsync(HttpRequest request)
    {
        var form = await request.ReadFormAsync(request.HttpContext.RequestAborted);
        string? Given(string name) => string.IsNullOrEmpty(form[name]) ? null : form[name].ToString();
        if (Given("To") is not { } to || !IsAddress(to))
        {
            return Error(400, 21211, $"The 'To' number {Given("To")} is not a valid phone number.");
        }

        if (Given("From") != twilio.Options.WhatsAppNumber)
        {
            return Error(400, 37008, $"The 'From' {Given("From")} is not a calling-enabled sender of this account.");
        }

        if (Given("Url") is null && Given("Twiml") is null)
        {
            return Error(400, 21205, "Url parameter is required.");
        }

        var options = (twilio.Options.WhenCalled?.Invoke(to) ?? new CallOptions()) with { From = to };
        var events = form["StatusCallbackEvent"].OfType<string>().ToList();
        var setup = new CallSetup(
            "outbound-api", twilio.Options.WhatsAppNumber, to, Address(Given("Url")), Given("Url") is null ? Given("Twiml") : null,
            Address(Given("StatusCallback")), events.Count == 0 ? ["completed"] : events)
        {
            FallbackUrl = Address(Given("FallbackUrl")),
            StatusMethod = Given("StatusCallbackMethod") == "GET" ? HttpMethod.Get : HttpMethod.Post,
        };
        var call = new PlacedCall(twilio, options, setup);
        var described = Describe(call);
        twilio.Begin(call);
        return Json(described, 201);
    }

    async Task<IResult> UpdateCallAsync(string sid, HttpRequest request)
    {
        var form = await request.ReadFormAsync(request.HttpContext.RequestAborted);
        if (twilio.FindCall(sid) is not { } call)
        {
            return NotFound(sid);
        }

        CallUpdates.Add((sid, form.ToDictionary(field => field.Key, field => field.Value.ToString(), StringComparer.Ordinal)));
        var (status, twiml, url) = (form["Status"].ToString(), form["Twiml"].ToString(), form["Url"].ToString());
        var done = status switch
        {
            "completed" => call.EndCall(),
            "canceled" => call.AnsweredAt is null && call.EndCall(),
            _ => call.Replace(twiml.Length > 0 ? twiml : null, Address(url)),
        };
        return done ? Json(Describe(call)) : Error(400, 21220, "Call is not in-progress. Cannot redirect.");
    }

    IResult ListCalls(HttpRequest request) => Page(
        request,
        "calls",
        twilio.Calls.Entries.Reverse()
            .Where(call => Fits(request, "To", call.To) && Fits(request, "From", call.From) && Fits(request, "Status", call.Status))
            .Where(call => Since(request, "StartTime", call.CreatedAt))
            .Select(Describe));

    async Task<IResult> CreateMessageAsync(HttpRequest request)
    {
        var form = await request.ReadFormAsync(request.HttpContext.RequestAborted);
        var (to, from, body) = (form["To"].ToString(), form["From"].ToString(), form["Body"].ToString());
        if (to.Length == 0)
        {
            return Error(400, 21604, "A 'To' phone number is required.");
        }

        if (!IsAddress(to))
        {
            return Error(400, 21211, $"The 'To' number {to} is not a valid phone number.");
        }

        if (from.Length == 0 && form["MessagingServiceSid"].Count == 0)
        {
            return Error(400, 21603, "A 'From' phone number is required.");
        }

        if (from.Length > 0 && from != twilio.Options.WhatsAppNumber)
        {
            return Error(400, 63007, "Twilio could not find a Channel with the specified From address");
        }

        if (body.Length == 0 && form["ContentSid"].Count == 0 && form["MediaUrl"].Count == 0)
        {
            return Error(400, 21602, "Message body is required.");
        }

        if (body.Length > MaxBody)
        {
            return Error(400, 21617, $"The concatenated message body exceeds the {MaxBody} character limit.");
        }

        var message = new SentMessage(
            TwilioIds.New(form["MediaUrl"].Count > 0 ? "MM" : "SM"), to, twilio.Options.WhatsAppNumber, body,
                TimeProvider.System.GetUtcNow(),
            form.ToDictionary(field => field.Key, field => field.Value.ToString(), StringComparer.Ordinal));
        Messages.Add(message);
        var described = Describe(message);
        _ = DeliverAsync(message, Address(form["StatusCallback"]));
        return Json(described, 201);
    }

    IResult ListMessages(HttpRequest request) => Page(
        request,
        "messages",
        Messages.Entries.Reverse()
            .Where(message => Fits(request, "To", message.To) && Fits(request, "From", message.From)
                && Since(request, "DateSent", message.CreatedAt))
            .Select(Describe));

    async Task<IResult> TypingAsync(HttpRequest request)
    {
        var form = await request.ReadFormAsync(request.HttpContext.RequestAborted);
        if (form["channel"] != "whatsapp" || form["messageId"].Count == 0)
        {
            return Error(400, 20422, "Invalid parameter");
        }

        Typing.Add(form["messageId"].ToString());
        return Json(new JsonObject { ["success"] = true });
    }

    async Task DeliverAsync(SentMessage message, Uri? callback)
    {
        var failed = _undeliverable.TryDequeue(out var code) ? code : (int?)null;
        foreach (var status in failed is null ? new[] { "sent", "delivered" } : ["failed"])
        {
            (message.Status, message.ErrorCode) = (status, failed);
            if (callback is null)
            {
                continue;
            }

            var parameters = new Dictionary<string, string>(StringComparer.Ordinal)
            {
                ["AccountSid"] = twilio.Options.AccountSid,
                ["ApiVersion"] = "2010-04-01",
                ["ChannelPrefix"] = "whatsapp",
                ["From"] = message.From,
                ["MessageSid"] = message.Sid,
                ["MessageStatus"] = status,
                ["SmsSid"] = message.Sid,
                ["SmsStatus"] = status,
                ["To"] = message.To,
            };
            if (failed is { } errorCode)
            {
                parameters["ErrorCode"] = errorCode.ToString(CultureInfo.InvariantCulture);
                parameters["EventType"] = "UNDELIVERED";
            }

            try
            {
                using var request = twilio.Signed(callback, HttpMethod.Post, parameters, Guid.NewGuid().ToString(), voice: false);
                using var response = await twilio.Http.SendAsync(request, CancellationToken.None);
            }
            catch (HttpRequestException)
            {
                // Best effort, as with Twilio.
            }
        }
    }

    JsonObject Describe(PlacedCall call) => new()
    {
        ["sid"] = call.CallSid,
        ["account_sid"] = twilio.Options.AccountSid,
        ["api_version"] = "2010-04-01",
        ["to"] = call.To,
        ["to_formatted"] = call.To,
        ["from"] = call.From,
        ["from_formatted"] = call.From,
        ["status"] = call.Status,
        ["direction"] = call.Direction,
        ["date_created"] = call.Status == "queued" ? null : Rfc2822(call.CreatedAt),
        ["date_updated"] = call.Status == "queued" ? null : Rfc2822(call.EndedAt ?? call.AnsweredAt ?? call.CreatedAt),
        ["start_time"] = Rfc2822(call.AnsweredAt),
        ["end_time"] = Rfc2822(call.EndedAt),
        ["duration"] = call is { AnsweredAt: { } answered, EndedAt: { } ended }
            ? ((int)Math.Ceiling((ended - answered).TotalSeconds)).ToString(CultureInfo.InvariantCulture) : null,
        ["price"] = null,
        ["price_unit"] = "USD",
        ["answered_by"] = null,
        ["caller_name"] = null,
        ["forwarded_from"] = null,
        ["group_sid"] = null,
        ["parent_call_sid"] = null,
        ["phone_number_sid"] = null,
        ["queue_time"] = "0",
        ["trunk_sid"] = null,
        ["uri"] = $"/2010-04-01/Accounts/{twilio.Options.AccountSid}/Calls/{call.CallSid}.json",
        ["subresource_uris"] = new JsonObject
        {
            ["recordings"] = $"/2010-04-01/Accounts/{twilio.Options.AccountSid}/Calls/{call.CallSid}/Recordings.json",
            ["streams"] = $"/2010-04-01/Accounts/{twilio.Options.AccountSid}/Calls/{call.CallSid}/Streams.json",
        },
    };

    JsonObject Describe(SentMessage message) => new()
    {
        ["sid"] = message.Sid,
        ["account_sid"] = twilio.Options.AccountSid,
        ["api_version"] = "2010-04-01",
        ["body"] = message.Body,
        ["direction"] = "outbound-api",
        ["from"] = message.From,
        ["to"] = message.To,
        ["status"] = message.Status,
        ["num_media"] = message.Parameters.ContainsKey("MediaUrl") ? "1" : "0",
        ["num_segments"] = "1",
        ["messaging_service_sid"] = null,
        ["date_created"] = Rfc2822(message.CreatedAt),
        ["date_sent"] = message.Status == "queued" ? null : Rfc2822(message.CreatedAt),
        ["date_updated"] = Rfc2822(message.CreatedAt),
        ["price"] = null,
        ["price_unit"] = "USD",
        ["error_code"] = message.ErrorCode,
        ["error_message"] = message.ErrorCode is null ? null : "The message was not delivered.",
        ["uri"] = $"/2010-04-01/Accounts/{twilio.Options.AccountSid}/Messages/{message.Sid}.json",
        ["subresource_uris"] = new JsonObject { ["media"] = $"/2010-04-01/Accounts/{twilio.Options.AccountSid}/Messages/{message.Sid}/Media.json" },
    };

    static IResult Page(HttpRequest request, string name, IEnumerable<JsonObject> all)
    {
        var size = int.TryParse(request.Query["PageSize"], CultureInfo.InvariantCulture, out var asked) ? Math.Clamp(asked, 1, 1000) : 50;
        var page = int.TryParse(request.Query["Page"], CultureInfo.InvariantCulture, out var number) ? number : 0;
        var items = all.Skip(page * size).Take(size + 1).ToList();
        var query = string.Join('&', request.Query.Where(pair => pair.Key is not "Page")
            .Select(pair => $"{Uri.EscapeDataString(pair.Key)}={Uri.EscapeDataString(pair.Value.ToString())}").Append($"Page={page + 1}"));
        return Json(new JsonObject
        {
            [name] = new JsonArray([.. items.Take(size)]),
            ["page"] = page,
            ["page_size"] = size,
            ["uri"] = $"{request.Path}{request.QueryString}",
            ["next_page_uri"] = items.Count > size ? $"{request.Path}?{query}" : null,
        });
    }

    static bool Fits(HttpRequest request, string name, string value) => request.Query[name] is [{ Length: > 0 } wanted, ..]
        ? wanted == value : true;

    /// <summary>The inequality is part of the name: <c>StartTime>=2026-11-22</c> has the name <c>StartTime></c>.</summary>
    static bool Since(HttpRequest request, string name, DateTimeOffset at) =>
        !DateTimeOffset.TryParse(request.Query[name + ">"], CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out var from)
            || at >= from;

    /// <summary>whatsapp:+digits, or whatsapp:CC.id for a person whose number is not known.</summary>
    static bool IsAddress(string to) =>
        to.StartsWith("whatsapp:", StringComparison.Ordinal) && to["whatsapp:".Length..] is var value
        && (value is ['+', .. { Length: >= 8 and <= 15 } digits] ? digits.All(char.IsAsciiDigit) : value.Length > 3 && value[2] == '.');

    static Uri? Address(string? url) => Uri.TryCreate(url, UriKind.Absolute, out var address) ? address : null;

    static string? Rfc2822(DateTimeOffset? at) => at?.ToString("ddd, dd MMM yyyy HH:mm:ss +0000", CultureInfo.InvariantCulture);

    static IResult NotFound(string what) => Error(404, 20404, $"The requested resource {what} was not found");

    static IResult Error(int status, int code, string message) => Json(
        new JsonObject { ["code"] = code, ["message"] = message, ["more_info"] = $"https://www.twilio.com/docs/errors/{code}",
            ["status"] = status }, status);

    static IResult Json(JsonObject body, int status = 200) =>
        Results.Text(body.ToJsonString(Plain), "application/json", statusCode: status);
}
