using System.Buffers;
using System.Text;
using System.Text.Json;
using Guru.Api.Calls;
using Guru.Api.Hosting;
using Guru.Api.Reading;
using Guru.Api.Security;
using Guru.Application.Analytics;
using Guru.Application.Callers;
using Guru.Application.Calls;
using Microsoft.AspNetCore.Http.Json;
using Microsoft.Extensions.Options;

namespace Guru.Api.Analytics;

/// <summary>Whole lists as CSV or JSON Lines, written while they are read.</summary>
internal static class ExportEndpoints
{
    private const string JsonLinesType = "application/jsonl";

    /// <summary>Of one node; each holds a database connection for as long as its reader takes.</summary>
    private const int MostAtOnce = 4;
    private const int BytesAtOnce = 32 * 1024;

    public static readonly CsvColumn<CallSummary>[] CallColumns =
    [
        new("callSid", call => call.CallSid), new("callerId", call => call.CallerId), new("channel", call => EnumNames.Of(call.Channel)),
        new("direction", call => EnumNames.Of(call.Direction)), new("agent", call => call.Agent), new("agents", call => call.Agents),
        new("language", call => call.Language), new("status", call => EnumNames.Of(call.Status)),
        new("endReason", call => call.EndReason is { } reason ? EnumNames.Of(reason) : null), new("startedAt", call => call.StartedAt),
        new("endedAt", call => call.EndedAt), new("durationSeconds", call => call.DurationSeconds), new("turns", call => call.Turns),
        new("bargeIns", call => call.BargeIns), new("callerTalkMs", call => call.CallerTalkMs), new("agentTalkMs", call => call.AgentTalkMs),
        new("latencyP50Ms", call => call.LatencyP50Ms), new("latencyP95Ms", call => call.LatencyP95Ms), new("cost", call => call.Cost),
        new("costIsComplete", call => call.CostIsComplete), new("node", call => call.Node),
    ];

    public static readonly CsvColumn<ExportedUtterance>[] UtteranceColumns =
    [
        new("callSid", row => row.CallSid), new("callerId", row => row.CallerId), new("callStartedAt", row => row.CallStartedAt),
        new("id", row => row.Line.Id), new("speaker", row => EnumNames.Of(row.Line.Speaker)), new("agent", row => row.Line.Agent),
        new("said", row => row.Line.Said), new("heard", row => row.Line.Heard), new("interrupted", row => row.Line.Interrupted),
        new("transcription", row => EnumNames.Of(row.Line.Transcription)), new("startMs", row => row.Line.StartMs), new("endMs", row => row.Line.EndMs),
        new("saidMs", row => row.Line.SaidMs), new("heardMs", row => row.Line.HeardMs), new("language", row => row.Line.Language),
        new("firstAudioMs", row => row.Line.FirstAudioMs), new("firstHeardMs", row => row.Line.FirstHeardMs), new("cost", row => row.Line.Cost),
    ];

    private static readonly SemaphoreSlim Room = new(MostAtOnce);

    public static void MapExports(this WebApplication app)
    {
        var exports = app.MapGroup("/api/export").RequireAuthorization(Roles.Download).WithTags("Export")
            .ProducesProblem(StatusCodes.Status401Unauthorized).ProducesProblem(StatusCodes.Status403Forbidden)
            .ProducesProblem(StatusCodes.Status503ServiceUnavailable).ProducesValidationProblem()
            .WithQuery([.. CallFilterQuery.Parameters, QueryParameter.Text("format", "csv or jsonl; without it the Accept header decides, and JSON Lines is the default.")]);
        exports.MapGet("/calls", (IExports from, CallerNames callers, HttpContext context) =>
                ExportAsync(context, callers, "calls", CallColumns, (json, call, options) => JsonSerializer.Serialize(json, call, options), from.CallsAsync))
            .WithSummary("All calls that the filter leaves, oldest first.").Produces<CallSummary>(StatusCodes.Status200OK, JsonLinesType, Csv.Type);
        exports.MapGet("/utterances", (IExports from, CallerNames callers, HttpContext context) =>
                ExportAsync(context, callers, "utterances", UtteranceColumns, WriteColumns, from.UtterancesAsync))
            .WithSummary("All utterances of the calls that the filter leaves, call by call.").Produces<ExportedUtterance>(StatusCodes.Status200OK, JsonLinesType, Csv.Type);
    }

    private static async Task<IResult> ExportAsync<T>(
        HttpContext context, CallerNames callers, string name, CsvColumn<T>[] columns, Action<Utf8JsonWriter, T, JsonSerializerOptions> json,
        Func<CallFilter, CancellationToken, IAsyncEnumerable<T>> read)
    {
        var query = new QueryReader(context.Request.Query);
        var filter = await query.CallFilterAsync(callers, context.RequestAborted);
        var format = query.Read<string?>("format", text => text is "csv" or "jsonl" ? text : throw new FormatException("is csv or jsonl"));
        if (query.Problem() is { } problem)
        {
            return problem;
        }

        if (!await Room.WaitAsync(TimeSpan.Zero, context.RequestAborted))
        {
            return Refusals.NotNow(context.Response, $"{MostAtOnce} exports are under way on this node: try again later.", seconds: 30);
        }

        try
        {
            await WriteAsync(context, name, format is null ? Csv.IsAskedFor(context.Request) : format == "csv", columns, json, read(filter, context.RequestAborted));
        }
        catch (OperationCanceledException) when (context.RequestAborted.IsCancellationRequested)
        {
            // Nobody reads any more.
        }
        finally
        {
            Room.Release();
        }

        return Results.Empty;
    }

    private static async Task WriteAsync<T>(
        HttpContext context, string name, bool csv, CsvColumn<T>[] columns, Action<Utf8JsonWriter, T, JsonSerializerOptions> json, IAsyncEnumerable<T> rows)
    {
        var options = context.RequestServices.GetRequiredService<IOptions<JsonOptions>>().Value.SerializerOptions;
        var body = context.Response.BodyWriter;
        context.Response.ContentType = $"{(csv ? Csv.Type : JsonLinesType)}; charset=utf-8";
        context.Response.Headers.ContentDisposition = $"attachment; filename=\"{name}.{(csv ? "csv" : "jsonl")}\"";
        var text = new StringBuilder();
        await using var line = new Utf8JsonWriter(body, new JsonWriterOptions { Encoder = options.Encoder });
        if (csv)
        {
            Csv.WriteHeader(text, columns);
        }

        var pending = Csv.MoveTo(body, text);
        await foreach (var row in rows)
        {
            if (csv)
            {
                Csv.WriteRow(text, columns, row);
                pending += Csv.MoveTo(body, text);
            }
            else
            {
                json(line, row, options);
                line.Flush(); // Into the body's buffer.
                body.Write("\n"u8);
                pending += line.BytesCommitted + 1;
                line.Reset();
            }

            if (pending >= BytesAtOnce)
            {
                await body.FlushAsync(context.RequestAborted); // Waits for the reader, so that no more is read from the database than can be handed on.
                pending = 0;
            }
        }

        await body.FlushAsync(context.RequestAborted);
    }

    /// <summary>The columns of the CSV, without a nested line.</summary>
    private static void WriteColumns(Utf8JsonWriter json, ExportedUtterance row, JsonSerializerOptions options)
    {
        json.WriteStartObject();
        foreach (var column in UtteranceColumns)
        {
            json.WritePropertyName(column.Name);
            switch (column.Value(row))
            {
                case null:
                    json.WriteNullValue();
                    break;
                case string text:
                    json.WriteStringValue(text);
                    break;
                case long number:
                    json.WriteNumberValue(number);
                    break;
                case bool truth:
                    json.WriteBooleanValue(truth);
                    break;
                case DateTimeOffset time:
                    json.WriteStringValue(time.UtcDateTime);
                    break;
                case var other:
                    JsonSerializer.Serialize(json, other, other.GetType(), options);
                    break;
            }
        }

        json.WriteEndObject();
    }
}
