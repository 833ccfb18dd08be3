using System.Text.Json;
using Guru.Infrastructure.Postgres;
using Guru.Sandbox.Commands;
using Guru.Sandbox.OpenAI;
using Guru.Sandbox.Twilio;
using Microsoft.Extensions.Logging.Abstractions;
using Npgsql;

namespace Guru.EndToEnd.Tests;

/// <summary>Processes of Guru on one PostgreSQL, which can be killed.</summary>
public class Nodes : IAsyncLifetime
{
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(60);

    private readonly string _data = Directory.CreateTempSubdirectory("guru-e2e-nodes-").FullName;
    private readonly List<GuruProcess> _running = [];
    private EmbeddedPostgres? _server;

    public OpenAIStandIn OpenAI { get; private set; } = null!;

    public TwilioStandIn Twilio { get; private set; } = null!;

    public NpgsqlDataSource Database { get; private set; } = null!;

    public string DatabaseUrl => _server!.ConnectionString;

    /// <summary>What the model writes, by a part of what was asked; else the stand-in's own rules.</summary>
    public Dictionary<string, string> Written { get; } = new(StringComparer.Ordinal);

    /// <summary>The node that Twilio speaks to.</summary>
    public Uri Address => _running[0].Address;

    /// <summary>In the order in which they were started.</summary>
    protected IReadOnlyList<Uri> Addresses => [.. _running.Select(node => node.Address)];

    /// <summary>With an AppUrl the nodes are behind one address; else each call stays with the address that it began with.</summary>
    protected virtual TwilioStandInOptions TwilioOptions => new();

    /// <summary>Of every node.</summary>
    protected virtual Dictionary<string, string> Settings => new(StringComparer.Ordinal)
    {
        ["DATABASE_URL"] = DatabaseUrl,
        ["GURU_SECRET"] = World.Secret,
        ["Guru__Work__LeaseSeconds"] = "1",
        ["Guru__Work__PollSeconds"] = "0.1",
        ["Guru__Messages__ListDelaySeconds"] = "1",
        ["Guru__Replies__MostTokens"] = "4000",
    };

    public virtual async Task InitializeAsync()
    {
        _server = await EmbeddedPostgres.StartAsync(_data, NullLogger.Instance, CancellationToken.None);
        Database = NpgsqlDataSource.Create(_server.ConnectionString);
        OpenAI = await OpenAIStandIn.StartAsync(new OpenAIStandInOptions
        {
            ApiKey = GuruProcess.OpenAIKey,
            Writes = input => Written.FirstOrDefault(line => input.Said.Contains(line.Key, StringComparison.Ordinal)).Value,
        });
        Twilio = await TwilioStandIn.StartAsync(TwilioOptions);
        Twilio.Rest.ListingDelay = TimeSpan.FromMilliseconds(500);
        await AddAsync();
    }

    public virtual async Task DisposeAsync()
    {
        foreach (var node in _running)
        {
            await node.DisposeAsync();
        }

        await Twilio.DisposeAsync();
        await OpenAI.DisposeAsync();
        await Database.DisposeAsync();
        await _server!.DisposeAsync();
        World.DeleteCluster(_data);
        GC.SuppressFinalize(this);
    }

    /// <summary>Starts one more. Twilio speaks to the one that was started first.</summary>
    public async Task AddAsync()
    {
        _running.Add(await GuruProcess.StartAsync(OpenAI, Twilio, Settings));
        SpeakTo(_running[0]);
    }

    /// <summary>Runs a command beside the nodes.</summary>
    internal Task<(int ExitCode, IReadOnlyCollection<string> Log)> RunAsync(params string[] command) => GuruProcess.RunAsync(command, OpenAI, Twilio, Settings, _data);

    /// <summary>SIGKILL for the one that Twilio speaks to; it speaks to the next, if there is one.</summary>
    public async Task KillAsync()
    {
        await using var killed = _running[0];
        await killed.KillAsync();
        _running.RemoveAt(0);
        SpeakTo(_running.FirstOrDefault());
    }

    /// <summary>SIGTERM for the one that Twilio speaks to; it speaks to the next from then on.</summary>
    public async Task StopAsync()
    {
        var stopping = _running[0];
        _running.RemoveAt(0);
        SpeakTo(_running[0]);
        await stopping.DisposeAsync();
        stopping.ExitCode.ShouldBe(0, string.Join('\n', stopping.Log.TakeLast(20)));
    }

    /// <summary>Waits until nothing is left to do for anybody, and reads what was answered by what.</summary>
    /// <param name="person">With the scheme.</param>
    internal async Task<Answered> AnsweredAsync(string person)
    {
        using var limit = new CancellationTokenSource(Limit);
        while ((await Database.RowsAsync("select id from guru.work where kind = 'reply'")).Count > 0)
        {
            limit.Token.ThrowIfCancellationRequested();
        }

        using var analyst = World.ClientFor(_running[0].Address, GuruProcess.AnalystKey);
        var found = JsonElement.Parse(await analyst.GetStringAsync($"/api/conversations?phoneNumber={Uri.EscapeDataString(person["whatsapp:".Length..])}"));
        var callerId = found.GetProperty("items")[0].GetProperty("callerId").GetString()!;
        var timeline = JsonElement.Parse(await analyst.GetStringAsync($"/api/conversations/{callerId}/messages?limit=200"));
        return new Answered(
            await Database.RowsAsync($"select data ->> 'answers', data ->> 'replySids', type from events.mt_events where stream_id = 'conversation-{callerId}' and type in ('message_replied', 'message_reply_failed') order by version"),
            [.. timeline.GetProperty("items").EnumerateArray()],
            [.. Twilio.Rest.Messages.Entries.Where(sent => sent.To == person)]);
    }

    private void SpeakTo(GuruProcess? node)
    {
        if (TwilioOptions.AppUrl is not null)
        {
            Twilio.ConnectTo = node?.Address ?? Twilio.ConnectTo;
        }
        else
        {
            Twilio.AppUrl = node?.Address ?? Twilio.AppUrl;
        }
    }
}

/// <summary>What became of a person's messages: in the log, on the timeline, and at the carrier.</summary>
/// <param name="Replies">The SIDs answered, the SIDs sent and the event's type, for each.</param>
internal sealed record Answered(IReadOnlyList<string> Replies, IReadOnlyList<JsonElement> Timeline, IReadOnlyList<SentMessage> Sent)
{
    /// <summary>One reply in the log; the messages it says were sent are those that the carrier sent, and the timeline shows them as one entry.</summary>
    public void ShouldBeOneReplyTo(IEnumerable<WrittenMessage> written, string type = "message_replied")
    {
        Sent.ShouldNotBeEmpty();
        Replies.ShouldBe([$"{Json(written.Select(message => message.MessageSid))} {Json(Sent.Select(message => message.Sid))} {type}"]);
        var entry = Timeline.Single(entry => entry.GetProperty("speaker").GetString() == "agent");
        entry.GetProperty("text").GetString().ShouldBe(string.Join("\n\n", Sent.Select(message => message.Body)));
        Timeline.Count(entry => entry.GetProperty("speaker").GetString() == "caller").ShouldBe(written.Count());
    }

    private static string Json(IEnumerable<string> sids) => $"[{string.Join(", ", sids.Select(sid => $"\"{sid}\""))}]";
}
