using System.Globalization;
using System.Net.ServerSentEvents;
using System.Runtime.CompilerServices;
using System.Text.Json.Serialization;
using Guru.Api.Hosting;
using Guru.Api.Reading;
using Guru.Api.Security;
using Guru.Application.Analytics;
using Guru.Application.Calls;
using Guru.Domain.Calls;
using Microsoft.AspNetCore.Http.HttpResults;

namespace Guru.Api.Analytics;

/// <summary>Events as they happen.</summary>
internal static class LiveEndpoints
{
    private const string LastEventId = "Last-Event-ID";

    /// <summary>Of one node.</summary>
    private const int MostReaders = 100;
    private static readonly SemaphoreSlim Room = new(MostReaders);

    public static void MapLive(this WebApplication app) =>
        app.MapGet("/api/live", FollowAsync).RequireAuthorization(Roles.Analyst).WithTags("Live")
            .WithSummary("Events of calls and conversations as they are stored, as server-sent events.")
            .WithDescription(
                "Each message is an event: its name is the event's type, its id the place in the log, its data an item as of /api/calls/{callSid}/events. "
                + "A message named position, first and in quiet times, says up to which place everything was sent. "
                + "Send Last-Event-ID (or lastEventId) to go on after that place; without it, from now on. Erased words are null.")
            .ProducesProblem(StatusCodes.Status401Unauthorized).ProducesProblem(StatusCodes.Status403Forbidden).ProducesProblem(StatusCodes.Status503ServiceUnavailable)
            .WithQuery(
                QueryParameter.Whole("lastEventId", "As the Last-Event-ID header, which wins."),
                QueryParameter.Text("callSid", "Of this call alone."));

    private static async Task<Results<ServerSentEventsResult<LiveMessage>, ValidationProblem, ProblemHttpResult>> FollowAsync(
        IEventFeed feed, HttpContext context, IHostApplicationLifetime lifetime, CancellationToken cancellationToken)
    {
        var query = new QueryReader(context.Request.Query);
        var inQuery = query.Read<long?>("lastEventId", text => PlaceOf(text));
        var callSid = query.CallSid("callSid");
        long? from = inQuery;
        if (context.Request.Headers.TryGetValue(LastEventId, out var header))
        {
            try
            {
                from = PlaceOf(header.ToString());
            }
            catch (FormatException error)
            {
                query.Refuse(LastEventId, error.Message);
            }
        }

        if (query.Problem() is { } problem)
        {
            return problem;
        }

        if (from is { } place && !await feed.HoldsAsync(place, cancellationToken))
        {
            query.Refuse(LastEventId, "is beyond the log");
            return query.Problem()!;
        }

        if (!await Room.WaitAsync(TimeSpan.Zero, cancellationToken))
        {
            return Refusals.NotNow(context.Response, $"{MostReaders} readers are following on this node.", seconds: 10);
        }

        context.Response.OnCompleted(() =>
        {
            Room.Release();
            return Task.CompletedTask;
        });
        context.Response.Headers.CacheControl = "no-store";
        context.Response.Headers["X-Accel-Buffering"] = "no"; // nginx hands on at once.
        return TypedResults.ServerSentEvents(MessagesAsync(feed, from ?? await feed.EndAsync(cancellationToken), callSid, lifetime.ApplicationStopping, cancellationToken));
    }

    private static async IAsyncEnumerable<SseItem<LiveMessage>> MessagesAsync(
        IEventFeed feed, long from, CallSid? callSid, CancellationToken stopping, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        yield return Position(from);
        using var ending = CancellationTokenSource.CreateLinkedTokenSource(stopping, cancellationToken);
        await using var batches = feed.FollowAsync(from, ending.Token).GetAsyncEnumerator(ending.Token);
        while (await NextAsync(batches, ending.Token))
        {
            var sent = from;
            foreach (var item in batches.Current.Events)
            {
                if (callSid is not { } one || item.StreamId == Call.StreamId(one))
                {
                    sent = item.Sequence;
                    yield return new SseItem<LiveMessage>(LiveMessage.Of(item), item.Type) { EventId = IdOf(item.Sequence) };
                }
            }

            if (batches.Current.UpTo > sent || batches.Current.Events.Count == 0)
            {
                yield return Position(batches.Current.UpTo);
            }
        }
    }

    /// <summary>False when Guru stops: the reader goes on at another node.</summary>
    private static async Task<bool> NextAsync(IAsyncEnumerator<EventBatch> batches, CancellationToken ending)
    {
        try
        {
            return await batches.MoveNextAsync();
        }
        catch (OperationCanceledException) when (ending.IsCancellationRequested)
        {
            return false;
        }
    }

    private static SseItem<LiveMessage> Position(long place) => new(new LiveMessage { Position = place }, "position") { EventId = IdOf(place) };

    private static string IdOf(long place) => place.ToString(CultureInfo.InvariantCulture);

    private static long PlaceOf(string text) =>
        long.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var place) ? place : throw new FormatException("is not the id of a message of this stream");
}

/// <summary>An event, or a place in the log up to which everything was sent.</summary>
internal sealed record LiveMessage
{
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public long? Position { get; init; }

    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public long? Sequence { get; init; }

    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public string? StreamId { get; init; }

    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public long? Version { get; init; }

    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public string? Type { get; init; }

    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public DateTimeOffset? At { get; init; }

    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public System.Text.Json.JsonElement? Data { get; init; }

    public static LiveMessage Of(EventView item) => new()
    {
        Sequence = item.Sequence,
        StreamId = item.StreamId,
        Version = item.Version,
        Type = item.Type,
        At = item.At,
        Data = item.Data,
    };

    public override string ToString() => $"{nameof(LiveMessage)} {Sequence ?? Position}";
}
