using System.Net;
using System.Net.Http.Json;
using System.Text.Json;
using Guru.Application.Calling;
using Guru.Application.Conversations;
using Guru.Application.VoiceSessions;
using Guru.Infrastructure.Twilio;
using Guru.Sandbox.OpenAI;
using Guru.Sandbox.Twilio;
using Microsoft.Extensions.DependencyInjection;

namespace Guru.EndToEnd.Tests;

/// <summary>A sender in Britain, people in Ghana who may be called at any hour, and a WhatsApp that asks for permission.</summary>
public sealed class CallingWorld : World
{
    private readonly AnyHour _rules = new();

    protected override TwilioStandInOptions TwilioOptions => Callable.In(base.TwilioOptions);

    protected override OpenAIStandInOptions OpenAIOptions => new() { Replies = CallingBackOnThePhone };

    protected override Dictionary<string, string?> Settings => new()
    {
        ["Guru:Calling:RulesPath"] = _rules.Path,
        ["Guru:Work:PollSeconds"] = "0.05",
        ["Guru:Work:RetrySeconds"] = "0.1",
        ["Guru:Messages:ListDelaySeconds"] = "0.2",
        ["Guru:Replies:RoutingSeconds"] = "30",
    };

    internal Callable People { get; private set; } = null!;

    public override async Task InitializeAsync()
    {
        await base.InitializeAsync();
        People = new Callable(Twilio, () => AddressOf(Guru), OperatorKey, AnalystKey);
    }

    public override async Task DisposeAsync()
    {
        await base.DisposeAsync();
        _rules.Dispose();
    }

    /// <summary>A person writes, and has got the answer.</summary>
    internal async Task WriteAsync(string person, string text)
    {
        var before = Twilio.Rest.Messages.Entries.Count(message => message.To == $"whatsapp:{person}");
        await Twilio.WriteAsync(InboundMessage.Text(text) with { From = $"whatsapp:{person}" });
        await Twilio.WaitForMessageAsync($"whatsapp:{person}", _ => Twilio.Rest.Messages.Entries.Count(message => message.To == $"whatsapp:{person}") > before);
    }

    /// <summary>What guru templates create does.</summary>
    internal async Task MakesTemplatesAsync()
    {
        var services = Guru.App.Services;
        using var contents = new TwilioContents(
            new TwilioOptions
            {
                AccountSid = Twilio.Options.AccountSid, AuthTokens = [Twilio.Options.AuthToken], WhatsAppNumber = Twilio.Options.WhatsAppNumber, BaseUrl = Twilio.BaseUrl,
            },
            new MessengerOptions(), services.GetRequiredService<IFixedTexts>(), TimeProvider.System);
        foreach (var kind in Enum.GetValues<TemplateKind>())
        {
            await services.GetRequiredService<ITemplates>().SaveAsync(await contents.CreateAsync(kind, "en", CancellationToken.None), CancellationToken.None);
        }
    }

    /// <summary>Who thanks the agent wants a call at once, and says yes to it; who asks for something to be said again wants none any more.</summary>
    private static Reply CallingBackOnThePhone(ReplyContext context)
    {
        var said = context.Items.LastOrDefault(item => item is { Type: "message", Role: "user" })?.Text ?? "";
        var isAsked = context.Items.Any(item => item is { Type: "function_call_output", Tool: VoiceTools.CallBack });
        return context switch
        {
            { Purpose: null } when said.Contains("Thank you", StringComparison.Ordinal) => new Reply(
                Sample: null, new ToolUse(VoiceTools.CallBack, $$"""{"action":"propose","at":"{{DateTimeOffset.UtcNow.AddSeconds(2):yyyy-MM-ddTHH:mm:ss}}Z","about":"the visa"}""")),
            { Purpose: null } when said.Contains("say that again", StringComparison.Ordinal) => new Reply(Sample: null, new ToolUse(VoiceTools.CallBack, """{"action":"cancel"}""")),
            { Purpose: null } when isAsked && said.Contains("Yes", StringComparison.Ordinal) => new Reply(Sample: null, new ToolUse(VoiceTools.CallBack, """{"action":"confirm"}""")),
            { Purpose: "tool" } => new Reply(Brain.Shipped.Samples["tell-me-more-en"]),
            _ => Brain.Shipped.Reply(context),
        };
    }
}

/// <summary>Shared, since nothing that one test does to its people is seen by another.</summary>
[CollectionDefinition(nameof(CallingWorld))]
public sealed class CallingWorldCollection : ICollectionFixture<CallingWorld>;

/// <summary>Rules in a file by which people may be called at any hour.</summary>
internal sealed class AnyHour : IDisposable
{
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("guru-rules-");

    public AnyHour()
    {
        Path = System.IO.Path.Combine(_folder.FullName, "rules.yaml");
        File.WriteAllText(Path, "asOf: 2026-09-01\nsources: [a test]\nwakingHours: { from: \"00:00\", to: \"24:00\" }");
    }

    public string Path { get; }

    public void Dispose() => _folder.Delete(recursive: true);
}

/// <summary>What operators ask for about people, what the people answer, and the ledger.</summary>
internal sealed class Callable(TwilioStandIn twilio, Func<Uri> guru, string operatorKey, string analystKey)
{
    public const string ContentSid = "HX00000000000000000000000000000001";

    /// <summary>Who is called does what the end of their number says.</summary>
    public static TwilioStandInOptions In(TwilioStandInOptions options) => options with
    {
        WhatsAppNumber = "whatsapp:+447700900123",
        NeedsCallPermission = true,
        WhenCalled = person => person[^2..] switch
        {
            "09" => new CallOptions { Outcome = CallOutcome.NoAnswer },
            "08" => new CallOptions { Outcome = CallOutcome.Busy },
            "18" => new CallOptions { Outcome = CallOutcome.Failed },
            "19" => new CallOptions { Outcome = CallOutcome.Canceled },
            "01" => Calls.Short(),
            _ => Calls.Greeted,
        },
    };

    public async Task<(HttpStatusCode Status, JsonElement Body)> PostAsync(string path, object body, string? key = null)
    {
        using var content = JsonContent.Create(body);
        return await PostAsync(path, content, key);
    }

    public async Task<(HttpStatusCode Status, JsonElement Body)> PostAsync(string path, HttpContent content, string? key = null)
    {
        using var client = World.ClientFor(guru(), operatorKey);
        using var request = new HttpRequestMessage(HttpMethod.Post, $"/api/whatsapp/voice/{path}") { Content = content };
        if (key is not null)
        {
            request.Headers.TryAddWithoutValidation("Idempotency-Key", key);
        }

        using var response = await client.SendAsync(request);
        return (response.StatusCode, (await response.Content.ReadFromJsonAsync<JsonElement>()).Clone());
    }

    public async Task<HttpStatusCode> CancelAsync(string callerId, string requestId, string? key = null)
    {
        using var client = World.ClientFor(guru(), key ?? operatorKey);
        using var response = await client.DeleteAsync(new Uri($"/api/whatsapp/voice/calls/{callerId}/{requestId}", UriKind.Relative));
        return response.StatusCode;
    }

    /// <summary>The ledger once it has an entry of that type.</summary>
    public async Task<JsonElement> LedgerWithAsync(string callerId, string type)
    {
        using var client = World.ClientFor(guru(), analystKey);
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(60));
        while (true)
        {
            using var response = await client.GetAsync(new Uri($"/api/conversations/{callerId}/consent", UriKind.Relative), limit.Token);
            var ledger = await response.Content.ReadFromJsonAsync<JsonElement>();
            if (response.IsSuccessStatusCode && Types(ledger).Contains(type))
            {
                return ledger;
            }

            limit.Token.IsCancellationRequested.ShouldBeFalse($"{type} does not come: {ledger}");
        }
    }

    public static IReadOnlyList<string> Types(JsonElement ledger) => [.. ledger.GetProperty("entries").EnumerateArray().Select(entry => entry.GetProperty("type").GetString()!)];

    /// <summary>The newest entry of a type.</summary>
    public static JsonElement Entry(JsonElement ledger, string type) =>
        ledger.GetProperty("entries").EnumerateArray().Last(entry => entry.GetProperty("type").GetString() == type);

    public static IReadOnlyList<string?> Reasons(JsonElement entry) => [.. entry.GetProperty("reasons").EnumerateArray().Select(reason => reason.GetString())];

    /// <summary>Somebody is asked, gets the message, and answers.</summary>
    public async Task<string> AskedAsync(string person, bool accepts)
    {
        var (status, asked) = await PostAsync("permissions", new { phoneNumber = person, contentSid = ContentSid });
        status.ShouldBe(HttpStatusCode.Accepted, asked.ToString());
        var callerId = asked.GetProperty("callerId").GetString()!;
        await twilio.WaitForMessageAsync($"whatsapp:{person}", message => message.Parameters.ContainsKey("ContentSid"));
        await twilio.WriteAsync(InboundMessage.CallPermission(accepts) with { From = $"whatsapp:{person}" });
        await LedgerWithAsync(callerId, accepts ? "CallPermissionGranted" : "CallPermissionDeclined");
        return callerId;
    }

    public IReadOnlyList<PlacedCall> CallsTo(string person) => [.. twilio.Calls.Entries.Where(call => call.To == $"whatsapp:{person}")];
}
