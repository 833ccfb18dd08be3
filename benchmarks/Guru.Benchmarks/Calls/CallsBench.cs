using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Reflection;
using Guru.Infrastructure.Postgres;
using Microsoft.Extensions.Logging.Abstractions;
using Npgsql;

namespace Guru.Benchmarks.Calls;

/// <param name="Calls">How many at once; each step keeps the calls of the one before.</param>
/// <param name="Seconds">How long a step is measured.</param>
/// <param name="PerSecond">How many calls begin in a second.</param>
/// <param name="WarmSeconds">How long the first of them talk before anything is measured: the code they run is compiled anew as it proves hot.</param>
/// <param name="Only">What alone is measured; null for both.</param>
/// <param name="Variables">Guru's, besides those that it needs.</param>
internal sealed record CallsPlan(IReadOnlyList<int> Calls, int Seconds, int PerSecond, int WarmSeconds, string? Only, IReadOnlyDictionary<string, string> Variables);

/// <summary>
/// Whole processes: many calls at once at the pace of their audio, through Guru on a core of its own, and through the least that a relay does. The load and
/// PostgreSQL have the other core.
/// </summary>
internal static class CallsBench
{
    public const string Floor = "relay";
    public const string Guru = "guru";

    private const int MeasuredCore = 0;
    private const int OtherCore = 1;
    private const double GoalMs = 20;
    private const double MostLateMs = 2;
    private static readonly TimeSpan Settle = TimeSpan.FromSeconds(2);

    public static async Task<IReadOnlyList<CallsFigures>> RunAsync(CallsPlan plan)
    {
        PinnedProcess.PinThis(OtherCore);
        var figures = new List<CallsFigures>();
        if (plan.Only != Guru)
        {
            await using var floor = await StartFloorAsync();
            figures.AddRange(Measure(Floor, plan, floor));
            floor.Load.End();
        }

        if (plan.Only != Floor)
        {
            figures.AddRange(await MeasureGuruAsync(plan));
        }

        return figures;
    }

    public static void Print(IReadOnlyList<CallsFigures> figures)
    {
        Console.WriteLine($"{"",-6}{"calls",6}{"CPU ms",8}{"ratio",7}{"db ms",7}{"KiB",7}  caller->model p50/p99/max   model->caller p50/p99/max   first p99  webhook p50/p99  load late p99  lost");
        foreach (var f in figures)
        {
            var floor = figures.FirstOrDefault(other => other.Who == Floor && other.Calls == f.Calls);
            Console.WriteLine(string.Create(
                CultureInfo.InvariantCulture,
                $"{f.Who,-6}{f.Calls,6}{f.CpuMs,8:F2}{(floor is null ? double.NaN : f.CpuMs / floor.CpuMs),7:F2}{f.DatabaseMs,7:F2}{f.KiBPerCall,7:F0}  {f.ToModel,-26}  {f.ToCaller,-26}  {f.FirstFrame,8:F1}  {f.WebhookP50,6:F1} / {f.WebhookP99,-6:F1}  {f.LoadLate,8:F1}     {f.Lost}{(f.LoadLate > MostLateMs ? "   the load was late: not valid" : "")}"));
        }

        foreach (var who in figures.GroupBy(f => f.Who))
        {
            Console.WriteLine($"{who.Key}: {Held(figures, who.Key)} calls on one core with p99 under {GoalMs} ms and nothing lost");
            if (who.First() is var first && who.Last() is var last && last.Calls > first.Calls)
            {
                var further = ((last.KiBPerCall * last.Calls) - (first.KiBPerCall * first.Calls)) / (last.Calls - first.Calls);
                Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{who.Key}: {further:F0} KiB for each further call from {first.Calls} to {last.Calls}; the rest is what a process takes for its first ones"));
            }
        }
    }

    /// <summary>How many calls at most had a p99 under the goal and nothing lost, at each step up to theirs.</summary>
    public static int Held(IReadOnlyList<CallsFigures> figures, string who) =>
        figures.Where(f => f.Who == who).TakeWhile(f => f.Holds(GoalMs)).LastOrDefault()?.Calls ?? 0;

    private static async Task<List<CallsFigures>> MeasureGuruAsync(CallsPlan plan)
    {
        var directory = Directory.CreateTempSubdirectory("guru-bench-").FullName;
        try
        {
            await using var postgres = await EmbeddedPostgres.StartAsync(directory, NullLogger.Instance, CancellationToken.None);
            await using var guru = await StartGuruAsync(postgres, directory, plan.Variables);
            await using var database = NpgsqlDataSource.Create(postgres.ConnectionString);
            var figures = Measure(Guru, plan, guru);
            guru.Load.End();
            var turns = await StoredAsync(database, "utterance_transcribed", guru.Load.Turns);
            var ended = await StoredAsync(database, "call_ended", figures[^1].Calls);
            Console.WriteLine($"guru: {turns} of {guru.Load.Turns} turns and {ended} of {figures[^1].Calls} ends are on record; {guru.Load.OutOfOrder} frames out of order, {guru.Load.Failures} calls failed");
            return figures;
        }
        finally
        {
            BenchDirectory.Delete(directory);
        }
    }

    private static List<CallsFigures> Measure(string who, CallsPlan plan, Measured measured)
    {
        var (load, process) = (measured.Load, measured.Process);
        var figures = new List<CallsFigures>();
        var emptyKiB = process.ResidentKiB;
        load.CallUntil(plan.Calls[0] / 2, plan.PerSecond, TimeSpan.FromSeconds(plan.WarmSeconds));
        foreach (var calls in plan.Calls)
        {
            load.Clear();
            load.CallUntil(calls, plan.PerSecond, Settle);
            var (webhookP50, webhookP99, firstFrame) = (load.Webhooks.MsAt(0.5), load.Webhooks.MsAt(0.99), load.FirstFrames.MsAt(0.99));
            load.Clear();
            var (cpu, database, began) = (process.CpuSeconds, measured.DatabaseCpu(), EventLoop.NowUs);
            load.Run(TimeSpan.FromSeconds(plan.Seconds));
            var callSeconds = (EventLoop.NowUs - began) / 1e6 * calls;
            figures.Add(new CallsFigures(
                who, calls, (process.CpuSeconds - cpu) * 1000 / callSeconds, (measured.DatabaseCpu() - database) * 1000 / callSeconds,
                (process.ResidentKiB - emptyKiB) / calls, Latency.Of(load.ToModel), Latency.Of(load.ToCaller), firstFrame, webhookP50, webhookP99,
                load.Lateness.MsAt(0.99), load.LostSoFar()));
            Console.Error.WriteLine($"{who}: measured at {calls} calls");
            if (process.HasExited || !figures[^1].Holds(GoalMs * 10))
            {
                break;
            }
        }

        return figures;
    }

    private static Task<Measured> StartFloorAsync()
    {
        var target = FreeAddress();
        var load = new Load(target);
        var process = PinnedProcess.Start(
            MeasuredCore, Path.Combine(Path.GetTempPath(), "guru-bench-relay.log"),
            new Dictionary<string, string>(StringComparer.Ordinal)
            {
                ["DOTNET_SYSTEM_NET_SOCKETS_INLINE_COMPLETIONS"] = "1",
                ["DOTNET_ThreadPool_UnfairSemaphoreSpinLimit"] = "0",
                ["DOTNET_TC_CallCountingDelayMs"] = "A",
                ["DOTNET_GCgen0MaxBudget"] = "1000000", // Hexadecimal: 16 MB, as Guru has.
            },
            Assembly.GetExecutingAssembly().Location, "relay", $"{target.Port}", $"{load.ModelPort}");
        return ReadyAsync(new Measured(load, process, () => 0), target);
    }

    private static Task<Measured> StartGuruAsync(EmbeddedPostgres postgres, string directory, IReadOnlyDictionary<string, string> variables)
    {
        var target = FreeAddress();
        var load = new Load(target);
        var process = PinnedProcess.Start(
            MeasuredCore, Path.Combine(Path.GetTempPath(), "guru-bench-guru.log"),
            new Dictionary<string, string>(variables, StringComparer.Ordinal)
            {
                ["DATABASE_URL"] = postgres.ConnectionString,
                ["GURU_SECRET"] = "a-secret-of-the-bench-that-protects-nothing",
                ["GURU_DATA_DIR"] = Path.Combine(directory, "guru"),
                ["OPENAI_API_KEY"] = "sk-invented",
                ["OPENAI_BASE_URL"] = $"http://127.0.0.1:{load.ModelPort}/v1",
                ["TWILIO_ACCOUNT_SID"] = CarrierAccount.Sid,
                ["TWILIO_AUTH_TOKEN"] = CarrierAccount.AuthToken,
                ["TWILIO_WHATSAPP_NUMBER"] = CarrierAccount.Number,
                ["TWILIO_BASE_URL"] = "http://127.0.0.1:9",
                ["BASE_URL"] = $"http://{target}",
                ["PORT"] = $"{target.Port}",
                ["Guru__Calls__MaxConcurrent"] = "10000",
                ["Guru__Messages__SummaryAfterCall"] = "false",
            },
            GuruApi());
        return ReadyAsync(new Measured(load, process, () => PinnedProcess.CpuOfTree(postgres.ProcessId)), target);
    }

    private static async Task<Measured> ReadyAsync(Measured measured, IPEndPoint target)
    {
        using var http = new HttpClient { Timeout = TimeSpan.FromSeconds(5) };
        for (var attempt = 0; attempt < 600; attempt++)
        {
            try
            {
                using var ready = await http.GetAsync(new Uri($"http://{target}/health/ready"));
                if (ready.IsSuccessStatusCode)
                {
                    return measured;
                }
            }
            catch (HttpRequestException)
            {
                // Not listening yet.
            }

            if (measured.Process.HasExited)
            {
                break;
            }

            await Task.Delay(100);
        }

        await measured.DisposeAsync();
        throw new InvalidOperationException("What is to be measured did not start; its log is in the temporary directory.");
    }

    private static async Task<long> StoredAsync(NpgsqlDataSource database, string type, long expected)
    {
        await using var command = database.CreateCommand("select count(*) from events.mt_events where type = $1");
        command.Parameters.Add(new() { Value = type });
        long stored;
        for (var attempt = 0; ; attempt++)
        {
            stored = (long)(await command.ExecuteScalarAsync())!;
            if (stored >= expected || attempt == 40)
            {
                return stored;
            }

            await Task.Delay(250);
        }
    }

    private static string GuruApi() => Environment.GetEnvironmentVariable("GURU_API") ?? Path.Combine(AppContext.BaseDirectory, "Guru.Api.dll");

    private static IPEndPoint FreeAddress()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        return (IPEndPoint)listener.LocalEndpoint;
    }

    private sealed record Measured(Load Load, PinnedProcess Process, Func<double> DatabaseCpu) : IAsyncDisposable
    {
        public async ValueTask DisposeAsync()
        {
            Load.Dispose();
            await Process.DisposeAsync();
        }
    }
}

internal readonly record struct Latency(double P50, double P99, double Max)
{
    public static Latency Of(Delays delays) => new(delays.MsAt(0.5), delays.MsAt(0.99), delays.MsAt(1));

    public override string ToString() => string.Create(CultureInfo.InvariantCulture, $"{P50:F2} / {P99:F1} / {Max:F0} ms");
}

/// <param name="CpuMs">User and system, per call and second of call.</param>
/// <param name="DatabaseMs">The same of PostgreSQL.</param>
/// <param name="FirstFrame">From the stream's first frame to the model's ear, p99 in ms.</param>
/// <param name="LoadLate">How late the load itself was, p99 in ms: latencies hold that too.</param>
internal sealed record CallsFigures(
    string Who, int Calls, double CpuMs, double DatabaseMs, double KiBPerCall, Latency ToModel, Latency ToCaller, double FirstFrame, double WebhookP50, double WebhookP99,
    double LoadLate, long Lost)
{
    public bool Holds(double ms) => ToModel.P99 < ms && ToCaller.P99 < ms && Lost == 0;
}
