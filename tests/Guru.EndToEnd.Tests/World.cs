using System.Diagnostics;
using System.Net;
using System.Net.Http.Headers;
using System.Text.Json;
using Guru.Api.Hosting;
using Guru.Sandbox.Audio;
using Guru.Sandbox.Commands;
using Guru.Sandbox.OpenAI;
using Guru.Sandbox.Twilio;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;

namespace Guru.EndToEnd.Tests;

/// <summary>Guru with a database of its own, between the two stand-ins, on loopback. Its public address is an invented https one.</summary>
public class World : IAsyncLifetime
{
    internal const string AnalystKey = "analyst-key";
    internal const string OperatorKey = "operator-key";
    internal const string WebappKey = "webapp-key";
    internal const string Secret = "an-invented-secret-of-the-tests";
    internal const string PublicAddress = "https://guru.example.test";

    private readonly string _directory = Directory.CreateTempSubdirectory("guru-e2e-").FullName;
    private OwnDatabase? _database;

    public OpenAIStandIn OpenAI { get; private set; } = null!;

    public TwilioStandIn Twilio { get; private set; } = null!;

    public HttpClient Analyst { get; private set; } = null!;

    public HttpClient Operator { get; private set; } = null!;

    internal GuruHost Guru { get; private set; } = null!;

    protected virtual OpenAIStandInOptions OpenAIOptions => new();

    protected virtual TwilioStandInOptions TwilioOptions => new() { AppUrl = new Uri(PublicAddress), VerbSpeed = 50 };

    /// <summary>Settings besides the contract's, such as Guru:Calls:SilenceSeconds.</summary>
    protected virtual Dictionary<string, string?> Settings => [];

    public virtual async Task InitializeAsync()
    {
        OpenAI = await OpenAIStandIn.StartAsync(OpenAIOptions);
        Twilio = await TwilioStandIn.StartAsync(TwilioOptions);
        var settings = Settings;
        if (!settings.ContainsKey("DATABASE_URL"))
        {
            _database = await OwnDatabase.NewAsync();
            settings["DATABASE_URL"] = _database.Url;
            settings["GURU_SECRET"] = Secret;
        }

        Guru = await GuruHost.OpenAsync(Environment(Twilio, OpenAI, _directory, settings), CancellationToken.None);
        await Guru.App.StartAsync();
        await Guru.App.Services.GetRequiredService<WarmUp>().ExecuteTask!; // Not ready before.
        var address = AddressOf(Guru);
        Twilio.ConnectTo = address;
        Analyst = ClientFor(address, AnalystKey);
        Operator = ClientFor(address, OperatorKey);
    }

    public virtual async Task DisposeAsync()
    {
        await Twilio.DisposeAsync();
        await OpenAI.DisposeAsync();
        await Guru.App.StopAsync();
        await Guru.DisposeAsync();
        Analyst.Dispose();
        Operator.Dispose();
        if (_database is not null)
        {
            await _database.DisposeAsync();
        }

        Directory.Delete(_directory, recursive: true);
        GC.SuppressFinalize(this);
    }

    /// <summary>Deletes a data directory, and the cluster that lies elsewhere where the server's user could not look into it.</summary>
    internal static void DeleteCluster(string directory)
    {
        var cluster = new DirectoryInfo(Path.Combine(directory, "postgres"));
        if (cluster.Exists && cluster.ResolveLinkTarget(returnFinalTarget: true) is { } elsewhere)
        {
            Directory.Delete(elsewhere.FullName, recursive: true);
        }

        Directory.Delete(directory, recursive: true);
    }

    internal static IConfiguration Environment(TwilioStandIn twilio, OpenAIStandIn openAI, string directory, Dictionary<string, string?> settings) =>
        new ConfigurationBuilder().AddInMemoryCollection(new Dictionary<string, string?>
        {
            ["OPENAI_API_KEY"] = "sk-invented-for-tests",
            ["OPENAI_BASE_URL"] = openAI.BaseUrl.ToString(),
            ["TWILIO_ACCOUNT_SID"] = twilio.Options.AccountSid,
            ["TWILIO_AUTH_TOKEN"] = twilio.Options.AuthToken,
            ["TWILIO_WHATSAPP_NUMBER"] = twilio.Options.WhatsAppNumber,
            ["TWILIO_BASE_URL"] = twilio.BaseUrl.ToString(),
            ["BASE_URL"] = PublicAddress,
            ["PORT"] = "0",
            ["GURU_DATA_DIR"] = directory,
            ["GURU_ANALYST_KEYS"] = AnalystKey,
            ["GURU_OPERATOR_KEYS"] = OperatorKey,
            ["GURU_WEBAPP_KEYS"] = WebappKey,
        }).AddInMemoryCollection(settings).Build();

    internal static Uri AddressOf(GuruHost guru) => new($"http://127.0.0.1:{new Uri(guru.App.Urls.First().Replace("[::]", "127.0.0.1", StringComparison.Ordinal)).Port}");

    internal static HttpClient ClientFor(Uri address, string key) => new()
    {
        BaseAddress = address,
        DefaultRequestHeaders = { Authorization = new AuthenticationHeaderValue("Bearer", key) },
    };

    /// <summary>The record of a call once it is over and everything about it is stored.</summary>
    internal async Task<CallRecord> RecordOf(PlacedCall call)
    {
        await call.Completion;
        await Guru.App.Services.PaperworkDone();
        var record = await ReadAsync(call.CallSid);
        await OpenAI.SessionsShouldBeOfCallsOnRecordAsync(Analyst);
        return record with { Model = await ModelsAccount.OfAsync(OpenAI, call, record.CallerId) };
    }

    internal async Task<CallRecord> ReadAsync(string callSid) => new(
        await GetAsync($"/api/calls/{callSid}"), await GetAsync($"/api/calls/{callSid}/transcript"), await GetAsync($"/api/calls/{callSid}/events?limit=200"));

    internal async Task<JsonElement> GetAsync(string path)
    {
        using var response = await Analyst.GetAsync(path);
        response.StatusCode.ShouldBe(HttpStatusCode.OK);
        return JsonDocument.Parse(await response.Content.ReadAsStreamAsync()).RootElement;
    }
}

/// <summary>A call as an analyst reads it.</summary>
internal sealed record CallRecord(JsonElement Call, JsonElement Transcript, JsonElement Events)
{
    /// <summary>A call's record at a Guru that is a process of its own, once it has as much to tell as the line and the model saw.</summary>
    public static async Task<CallRecord> WhenCompleteAsync(Uri guru, PlacedCall call, OpenAIStandIn openAI)
    {
        using var analyst = World.ClientFor(guru, GuruProcess.AnalystKey);
        ModelsAccount? model = null;
        for (var started = Stopwatch.GetTimestamp(); ; await Task.Delay(100))
        {
            var events = await GetAsync($"/api/calls/{call.CallSid}/events?limit=200"); // Before what is made of them, which then is no older.
            var record = new CallRecord(await GetAsync($"/api/calls/{call.CallSid}"), await GetAsync($"/api/calls/{call.CallSid}/transcript"), events);
            if (record.EndReason is not null)
            {
                record = record with { Model = model ??= await ModelsAccount.OfAsync(openAI, call, record.CallerId) };
                if (record.Utterances.Count >= call.CallerSaid.Count + call.Heard.Count && record.Usages.Count >= model.Usages.Count)
                {
                    return record;
                }
            }

            Stopwatch.GetElapsedTime(started).ShouldBeLessThan(TimeSpan.FromMinutes(1), $"{call.CallSid}, {record.Usages.Count} of {model?.Usages.Count} usages\n{record.Conversation}");
        }

        async Task<JsonElement> GetAsync(string path) => JsonElement.Parse(await analyst.GetStringAsync(path));
    }

    /// <summary>The same call as the model saw it; null where the record is read for something else.</summary>
    public ModelsAccount? Model { get; init; }

    public string CallerId => Call.GetProperty("callerId").GetString()!;

    public string? EndReason => Call.GetProperty("endReason").GetString();

    public IReadOnlyList<JsonElement> Utterances => [.. Transcript.GetProperty("utterances").EnumerateArray()];

    public IReadOnlyList<string> EventTypes => [.. Events.GetProperty("items").EnumerateArray().Select(e => e.GetProperty("type").GetString()!)];

    public JsonElement Event(string type) => All(type).First();

    public IEnumerable<JsonElement> All(string type) =>
        Events.GetProperty("items").EnumerateArray().Where(e => e.GetProperty("type").GetString() == type).Select(e => e.GetProperty("data"));

    /// <summary>
    /// Nothing lost and nothing doubled: what was said into the line, word for word; what came out of it, each line as long as it was played; and one end.
    /// </summary>
    /// <param name="lineLived">As of <see cref="ShouldTellOfABrokenAnswer"/>.</param>
    public void ShouldTellOf(PlacedCall call, bool lineLived = false)
    {
        ShouldTellOfABrokenAnswer(call, lineLived);
        Agents.Select(line => line.GetProperty("said").GetString()).ShouldBe(call.Heard.Where(line => line.ReceivedBytes > 0).Select(line => line.Sample.Text));
        AgentsWords.ShouldBe(Model!.Agent, ignoreOrder: true, $"{call.CallSid}\n{Conversation}");
    }

    /// <summary>The same, where a line of the agent broke off: what was said is its beginning.</summary>
    /// <param name="lineLived">
    /// The line lived until Guru was done with it. So receipts told to the millisecond what was played to its end, and of what Guru cut no more is heard than was played.
    /// </param>
    /// <param name="keptEveryMs">The node was killed in that line, which is heard as far as was kept last.</param>
    public void ShouldTellOfABrokenAnswer(PlacedCall call, bool lineLived = false, int keptEveryMs = 0)
    {
        var told = $"{call.CallSid}\n{Conversation}";
        Utterances.Where(line => line.GetProperty("speaker").GetString() == "caller").Select(line => line.GetProperty("said").GetString())
            .ShouldBe(call.CallerSaid.Select(spoken => SampleLibrary.Shipped[spoken.SampleId].Text), told);
        var lines = call.Heard.Where(line => line.ReceivedBytes > 0).ToList();
        Agents.Count.ShouldBe(lines.Count, told);
        foreach (var (utterance, line) in Agents.Zip(lines))
        {
            line.Sample.Text.ShouldStartWith(utterance.GetProperty("said").GetString()!, Case.Sensitive, told);

            // What is cut plays on until the line hears of it, which takes as long as the machine is busy: InRealTime is stricter.
            var cut = line.PlayedBytes < line.ReceivedBytes;
            var (less, more) = lineLived ? (cut ? 1000 : 1, 1) : cut ? (1000 + keptEveryMs, 1000) : (250, 250);
            (utterance.GetProperty("heardMs").GetInt64() - line.Heard.TotalMilliseconds).ShouldBeInRange(-less, more, $"{line.Sample.Text}\n{told}");
        }

        Utterances.Select(line => line.GetProperty("id").GetString()).ShouldBeUnique();
        EventTypes.Count(type => type == "CallEnded").ShouldBe(1);
        ShouldTellOfTheModel();
    }

    /// <summary>Whatever the model told of the caller, said itself and used is on record once, under its own name and in its order, and nothing else is.</summary>
    public void ShouldTellOfTheModel()
    {
        var told = $"{Call.GetProperty("callSid").GetString()}\n{Conversation}";
        All("UtteranceTranscribed").Select(line => line.GetProperty("utteranceId").GetString()).ShouldBe(Utterances.Select(line => line.GetProperty("id").GetString()), ignoreOrder: true, told);
        WordsOf("caller").Where(line => line.Words.Length > 0).ShouldBe(Model!.Caller.Where(line => line.Words.Length > 0), told);
        AgentsWords.Select(line => line.Id).ShouldBe(Model.Agent.Select(line => line.Id), ignoreOrder: true, told);
        var heard = Utterances.Where(line => line.GetProperty("heardMs").GetInt64() > 0).Select(line => line.GetProperty("id").GetString()!).ToList();
        AgentsWords.Where(line => heard.Contains(line.Id)).Select(line => line.Id).ShouldBe(Model.Agent.Select(line => line.Id).Where(heard.Contains), told);
        AgentsWords.ShouldAllBe(line => Model.Agent.Single(said => said.Id == line.Id).Words.StartsWith(line.Words, StringComparison.Ordinal), told);
        foreach (var (id, endMs) in Model.Truncated)
        {
            Utterances.Single(line => line.GetProperty("id").GetString() == id).GetProperty("heardMs").GetInt64().ShouldBe(endMs, told);
        }

        Usages.ShouldBe(Model.Usages, ignoreOrder: true, told);
        ModelsUsage.OfTokens(Call.GetProperty("tokens")).ShouldBe(ModelsUsage.Sum(Model.Usages), told);
    }

    private List<(string Id, string Words)> AgentsWords => WordsOf("agent");

    private List<(string Id, string Words)> WordsOf(string speaker) =>
        [.. Utterances.Where(line => line.GetProperty("speaker").GetString() == speaker).Select(line => (line.GetProperty("id").GetString()!, line.GetProperty("said").GetString()!))];

    public IReadOnlyList<ModelsUsage> Usages => [.. All("UsageRecorded").Select(ModelsUsage.Recorded)];

    /// <summary>What the agent said aloud.</summary>
    private List<JsonElement> Agents => [.. Utterances.Where(line => line.GetProperty("speaker").GetString() == "agent" && line.GetProperty("saidMs").GetInt64() > 0)];

    /// <summary>One line a turn, such as "agent: Hello ..." or "agent (cut): I am sorry".</summary>
    public string Conversation => string.Join('\n', Utterances.Select(line =>
        $"{line.GetProperty("speaker").GetString()}{(line.GetProperty("interrupted").GetBoolean() ? " (cut)" : "")}: {line.GetProperty("heard").GetString()}"));
}

internal static class Paperwork
{
    /// <summary>Waits until no fact of a call that is over waits to be stored.</summary>
    public static Task PaperworkDone(this IServiceProvider services) =>
        Microsoft.Extensions.DependencyInjection.ServiceProviderServiceExtensions.GetRequiredService<Application.Voice.Switchboard>(services).PaperworkDone;
}
