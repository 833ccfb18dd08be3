using System.Globalization;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Guru.Sandbox.Hosting;
using Guru.Sandbox.Timing;

namespace Guru.Sandbox.Twilio;

/// <summary>The part of Twilio's REST API that a voice agent uses: calls, messages, their media and the typing indicator.</summary>
public sealed partial class TwilioRest(TwilioStandIn twilio)
{
    private static readonly JsonSerializerOptions Plain = new() { Encoder = System.Text.Encodings.Web.JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    private readonly Lock _gate = new();
    private readonly List<RestFault> _faults = [];

    /// <summary>What the application sent, in order, be it delivered or not.</summary>
    public Journal<SentMessage> Messages { get; } = new();

    /// <summary>The messages for which the typing indicator was shown.</summary>
    public Journal<string> Typing { get; } = new();

    /// <summary>Every request that was admitted, with its answer's status; 0 where none was given.</summary>
    public Journal<RestExchange> Exchanges { get; } = new();

    /// <summary>Requests to change a call: its sid, and the parameters.</summary>
    public Journal<(string CallSid, IReadOnlyDictionary<string, string> Parameters)> CallUpdates { get; } = new();

    /// <summary>How long what was just created is not yet listed, by the sandbox's clock.</summary>
    public TimeSpan ListingDelay { get; set; }

    /// <summary>The next request that fits is answered so, and not carried out unless the fault says so.</summary>
    public void FailNext(RestFault fault)
    {
        lock (_gate)
        {
            for (var i = 0; i < fault.Times; i++)
            {
                _faults.Add(fault);
            }
        }
    }

    /// <summary>The next message is accepted, and its status callback says that it failed.</summary>
    public void FailNextDelivery(int errorCode) => twilio.Messaging.FailNextDelivery(errorCode);

    internal void Map(WebApplication app)
    {
        var account = app.MapGroup("/2010-04-01/Accounts/{account}").AddEndpointFilter(AdmitAsync);
        account.MapPost("/Calls.json", CreateCallAsync);
        account.MapGet("/Calls.json", ListCalls);
        account.MapGet("/Calls/{sid}.json", (string sid) => twilio.FindCall(sid) is { } call ? Json(Describe(call)) : NotFound(sid));
        account.MapPost("/Calls/{sid}.json", UpdateCallAsync);
        MapMessages(account);
        MapMedia(account);
        MapContents(app);
        app.MapPost("/v2/Indicators/Typing.json", TypingAsync).AddEndpointFilter(AdmitAsync);
    }

    private async ValueTask<object?> AdmitAsync(EndpointFilterInvocationContext invocation, EndpointFilterDelegate next)
    {
        var context = invocation.HttpContext;
        var request = context.Request;
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

        var fault = TakeFault(request);
        Exchanges.Add(new RestExchange(request.Method, request.Path, fault is { NeverAnswers: true } or { BreaksConnection: true } ? 0 : fault?.Status));
        return fault switch
        {
            null => await next(invocation),
            { Hold: { } hold } => await HoldAsync(hold, fault.Executed, invocation, next),
            _ => await FailAsync(fault, invocation, next),
        };
    }

    private static async ValueTask<object?> HoldAsync(Hold hold, bool executed, EndpointFilterInvocationContext invocation, EndpointFilterDelegate next)
    {
        var answer = executed ? await next(invocation) : null;
        return await hold.HoldAsync(invocation.HttpContext.RequestAborted) ? answer ?? await next(invocation) : Results.Empty;
    }

    private RestFault? TakeFault(HttpRequest request)
    {
        lock (_gate)
        {
            var index = _faults.FindIndex(fault => fault.Fits(request));
            if (index < 0)
            {
                return null;
            }

            var fault = _faults[index];
            _faults.RemoveAt(index);
            return fault;
        }
    }

    private async ValueTask<object?> FailAsync(RestFault fault, EndpointFilterInvocationContext invocation, EndpointFilterDelegate next)
    {
        var context = invocation.HttpContext;
        if (fault.Executed)
        {
            await next(invocation);
        }

        if (fault.NeverAnswers)
        {
            using var over = CancellationTokenSource.CreateLinkedTokenSource(context.RequestAborted, twilio.Stopping);
            await Task.Delay(Timeout.Infinite, over.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }

        if (fault.NeverAnswers || fault.BreaksConnection)
        {
            context.Abort();
            return Results.Empty;
        }

        if (fault.RetryAfter is { } wait)
        {
            context.Response.Headers.RetryAfter = ((int)Math.Ceiling(wait.TotalSeconds)).ToString(CultureInfo.InvariantCulture);
        }

        return Error(fault.Status, fault.Code, fault.Message);
    }

    private async Task<IResult> TypingAsync(HttpRequest request)
    {
        var form = await request.ReadFormAsync(request.HttpContext.RequestAborted);
        if (form["channel"] != "whatsapp" || form["messageId"].Count == 0)
        {
            return Error(400, 20422, "Invalid parameter");
        }

        Typing.Add(form["messageId"].ToString());
        return Json(new JsonObject { ["success"] = true });
    }

    /// <summary>A page of a list that begins after the last item of the one before, whatever has come in since.</summary>
    private static IResult Page(HttpRequest request, string name, IEnumerable<(string Sid, JsonObject Item)> all)
    {
        var size = int.TryParse(request.Query["PageSize"], CultureInfo.InvariantCulture, out var asked) ? Math.Clamp(asked, 1, 1000) : 50;
        var number = int.TryParse(request.Query["Page"], CultureInfo.InvariantCulture, out var given) ? given : 0;
        const string Token = "PA";
        var rest = request.Query["PageToken"].ToString() is { Length: > 0 } token
            ? all.SkipWhile(item => Token + item.Sid != token).Skip(1) : all;
        var items = rest.Take(size + 1).ToList();
        string? next = null;
        if (items.Count > size)
        {
            var query = string.Join('&', request.Query.Where(pair => pair.Key is not ("Page" or "PageToken" or "PageSize"))
                .Select(pair => $"{Uri.EscapeDataString(pair.Key)}={Uri.EscapeDataString(pair.Value.ToString())}")
                .Append($"PageSize={size}").Append($"Page={number + 1}").Append($"PageToken={Token}{items[size - 1].Sid}"));
            next = $"{request.Path}?{query}";
        }

        return Json(new JsonObject
        {
            [name] = new JsonArray([.. items.Take(size).Select(item => item.Item)]),
            ["page"] = number,
            ["page_size"] = size,
            ["uri"] = $"{request.Path}{request.QueryString}",
            ["next_page_uri"] = next,
        });
    }

    private static bool Fits(HttpRequest request, string name, string value) => request.Query[name] is [{ Length: > 0 } wanted, ..]
        ? wanted == value : true;

    /// <summary>The inequality is part of the name: <c>StartTime>=2026-11-22</c> has the name <c>StartTime></c>. A date alone is a day in UTC.</summary>
    private static bool InTime(HttpRequest request, string name, DateTimeOffset at) =>
        (At(request, name + ">") is not { } from || at >= from)
        && (At(request, name + "<") is not { } to || at < to.AddDays(1))
        && (At(request, name) is not { } day || at.UtcDateTime.Date == day.UtcDateTime.Date);

    private static DateTimeOffset? At(HttpRequest request, string name) =>
        DateTimeOffset.TryParse(
            request.Query[name], CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal | DateTimeStyles.AdjustToUniversal, out var at)
            ? at : null;

    /// <summary>whatsapp:+digits, or whatsapp:CC.id for a person whose number is not known.</summary>
    private static bool IsAddress(string to) =>
        to.StartsWith("whatsapp:", StringComparison.Ordinal) && to["whatsapp:".Length..] is var value
        && (value is ['+', .. { Length: >= 8 and <= 15 } digits] ? digits.All(char.IsAsciiDigit) : value.Length > 3 && value[2] == '.');

    private static Uri? Address(string? url) => Uri.TryCreate(url, UriKind.Absolute, out var address) ? address : null;

    private static string? Rfc2822(DateTimeOffset? at) => at?.ToString("ddd, dd MMM yyyy HH:mm:ss +0000", CultureInfo.InvariantCulture);

    private static IResult NotFound(string what) => Error(404, 20404, $"The requested resource {what} was not found");

    private static IResult Error(int status, int code, string message) => Json(
        new JsonObject { ["code"] = code, ["message"] = message, ["more_info"] = $"https://www.twilio.com/docs/errors/{code}",
            ["status"] = status }, status);

    private static IResult Json(JsonObject body, int status = 200) =>
        Results.Text(body.ToJsonString(Plain), "application/json", statusCode: status);
}

/// <param name="Status">Of an answer that was arranged; 0: none was given; null: it was answered as usual.</param>
public sealed record RestExchange(string Method, string Path, int? Status);
