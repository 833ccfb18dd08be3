using System.Globalization;
using System.Text.Json.Nodes;

namespace Guru.Sandbox.Twilio;

/// <summary>Calls: placed, changed, listed.</summary>
public sealed partial class TwilioRest
{
    private async Task<IResult> CreateCallAsync(HttpRequest request)
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

        if (twilio.Options.NeedsCallPermission && !twilio.Permissions.Has(to))
        {
            return Error(400, 37000, "The user has not granted permission to receive calls.");
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

    private async Task<IResult> UpdateCallAsync(string sid, HttpRequest request)
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

    private IResult ListCalls(HttpRequest request) => Page(
        request,
        "calls",
        twilio.Calls.Entries.Reverse()
            .Where(call => Fits(request, "To", call.To) && Fits(request, "From", call.From) && Fits(request, "Status", call.Status))
            .Where(call => InTime(request, "StartTime", call.CreatedAt))
            .Select(call => (call.CallSid, Describe(call))));

    private JsonObject Describe(PlacedCall call) => new()
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
}
