using System.Collections.Immutable;
using System.CommandLine;
using System.Globalization;
using Guru.Benchmarks;
using Guru.Benchmarks.Analysts;
using Guru.Benchmarks.Appends;
using Guru.Benchmarks.Calls;
using Guru.Benchmarks.Frames;

var history = new Option<string?>("--history") { Description = "A CSV file that figures are added to.", Recursive = true };
var seed = new Option<int>("--seed") { DefaultValueFactory = _ => 1 };
var seconds = new Option<int>("--seconds") { Description = "How long each figure is measured.", DefaultValueFactory = _ => 8 };

var at = new Option<string>("--at") { Description = "How many calls at once, in steps.", DefaultValueFactory = _ => "50,200,600,700,800,900" };
var pace = new Option<int>("--pace") { Description = "Calls that begin in a second.", DefaultValueFactory = _ => 40 };
var warm = new Option<int>("--warm") { Description = "Seconds that the first calls talk before anything is measured.", DefaultValueFactory = _ => 20 };
var only = new Option<string?>("--only") { Description = "relay or guru; without it, both." };
var set = new Option<string[]>("--set") { Description = "NAME=VALUE, a variable for Guru; may be given again.", AllowMultipleArgumentsPerToken = false, DefaultValueFactory = _ => [] };
var calls = new Command("calls", "Many calls at once through Guru on one core, beside the least that a relay does.") { at, seconds, pace, warm, only, set };
calls.SetAction(parsed => CallsAsync(
    new CallsPlan(
        Numbers(parsed.GetValue(at)!), parsed.GetValue(seconds), parsed.GetValue(pace), parsed.GetValue(warm), parsed.GetValue(only),
        parsed.GetValue(set)!.Select(pair => pair.Split('=', 2)).ToDictionary(pair => pair[0], pair => pair.ElementAtOrDefault(1) ?? "", StringComparer.Ordinal)),
    new History(parsed.GetValue(history))));

var frames = new Command("frames", "One frame through Guru's own code in each direction: time and allocations.");
frames.SetAction(parsed => FramesAsync(new History(parsed.GetValue(history))));

var writers = new Option<string>("--writers") { Description = "How many write at once, in steps.", DefaultValueFactory = _ => "1,8,32" };
var appending = new Command("appends", "Appends one by one and ten at once with projections, beside the same rows written plainly.") { writers, seconds };
appending.SetAction(parsed => AppendsAsync(new AppendPlan(parsed.GetValue(seconds), Numbers(parsed.GetValue(writers)!)), new History(parsed.GetValue(history))));

var together = new Option<int>("--calls") { Description = "Calls at once.", DefaultValueFactory = _ => 20 };
var bargeIns = new Option<int>("--barge-ins") { Description = "Interruptions in each call.", DefaultValueFactory = _ => 5 };
var heard = new Command("heard", "How far what Guru records as heard is from what the carrier played, over barge-ins at random times.") { together, bargeIns, seed };
heard.SetAction(parsed => HeardBench.RunAsync(parsed.GetValue(together), parsed.GetValue(bargeIns), parsed.GetValue(seed)));

var callers = new Option<int>("--callers") { Description = "Callers in the database.", DefaultValueFactory = _ => 50 };
var messages = new Option<int>("--messages") { Description = "Messages of each caller.", DefaultValueFactory = _ => 1000 };
var times = new Option<int>("--times") { Description = "How often it is measured.", DefaultValueFactory = _ => 5000 };
var context = new Command("context", "How long building what an agent is told of a caller takes, beside a plain select.") { callers, messages, times, seed };
context.SetAction(parsed => ContextBench.RunAsync(parsed.GetValue(callers), parsed.GetValue(messages), parsed.GetValue(times), parsed.GetValue(seed)));

var appends = new Option<int>("--appends") { Description = "Of each kind, in each round.", DefaultValueFactory = _ => 2_000 };
var rounds = new Option<int>("--rounds") { Description = "How often each is measured; the median counts.", DefaultValueFactory = _ => 3 };
var rebuilt = new Option<int>("--rebuilt") { Description = "From how many events the read models are rebuilt, at least.", DefaultValueFactory = _ => 100_000 };
var store = new Command("store", "Appends and a rebuild; with --event-store marten, by turns with Guru's own store.") { appends, rounds, rebuilt };
store.SetAction(parsed => StoreBench.RunAsync(parsed.GetValue(appends), parsed.GetValue(rounds), parsed.GetValue(rebuilt)));

var onRecord = new Option<int>("--calls") { Description = "Calls on record.", DefaultValueFactory = _ => 100_000 };
var turns = new Option<int>("--turns") { Description = "Utterances of a call, on average.", DefaultValueFactory = _ => 22 };
var clients = new Option<int>("--clients") { Description = "Who asks at once.", DefaultValueFactory = _ => 8 };
var asking = new Option<int>("--seconds") { Description = "How long they ask.", DefaultValueFactory = _ => 60 };
var keep = new Option<string?>("--keep") { Description = "A directory in which the database stays, and is found again by the next run." };
var analysts = new Command("analysts", "How long lists, calls, search and figures take over HTTP with many calls on record; exports; the delay of the live view.") { onRecord, turns, clients, asking, keep };
analysts.SetAction(parsed => AnalystsBench.RunAsync(
    parsed.GetValue(onRecord), parsed.GetValue(turns), parsed.GetValue(clients), parsed.GetValue(asking), parsed.GetValue(keep), new History(parsed.GetValue(history))));

var logged = new Option<int>("--events") { Description = "In each log.", DefaultValueFactory = _ => 100_000 };
var rebuilds = new Option<int>("--rounds") { Description = "How often each is measured.", DefaultValueFactory = _ => 3 };
var rebuild = new Command("rebuild", "The read models made anew, from a log of utterances and from one of whole calls.") { logged, rebuilds, keep };
rebuild.SetAction(parsed => RebuildBench.RunAsync(parsed.GetValue(logged), parsed.GetValue(rebuilds), parsed.GetValue(keep), new History(parsed.GetValue(history))));

var ports = new Argument<int[]>("ports");
var relay = new Command("relay", "The relay that calls are measured beside.") { ports };
relay.Hidden = true;
relay.SetAction(parsed => Relay.RunAsync(parsed.GetValue(ports)![0], parsed.GetValue(ports)![1]));

var root = new RootCommand("Measures Guru. Without a command, everything but analysts, whose database takes many minutes to fill.") { history, calls, frames, appending, heard, context, store, rebuild, analysts, relay };
root.SetAction(async parsed =>
{
    var kept = new History(parsed.GetValue(history));
    await ContextBench.RunAsync(callers: 50, messages: 1000, times: 5000, seed: 1);
    await StoreBench.RunAsync(appends: 2_000, rounds: 3, rebuilt: 100_000);
    await RebuildBench.RunAsync(events: 100_000, rounds: 1, keep: null, kept);
    await FramesAsync(kept);
    await AppendsAsync(new AppendPlan(Seconds: 5, Writers: [1, 8, 32]), kept);
    var code = await HeardBench.RunAsync(calls: 20, bargeIns: 5, seed: 1);

    // Last, since it leaves this process one core.
    await CallsAsync(new CallsPlan([50, 200, 600, 700, 800, 900], Seconds: 8, PerSecond: 40, WarmSeconds: 20, Only: null, Variables: ImmutableDictionary<string, string>.Empty), kept);
    return code;
});
return await root.Parse(args).InvokeAsync();

static int[] Numbers(string list) => [.. list.Split(',').Select(text => int.Parse(text, CultureInfo.InvariantCulture))];

static async Task CallsAsync(CallsPlan plan, History kept)
{
    var figures = await CallsBench.RunAsync(plan);
    CallsBench.Print(figures);
    if (plan.Variables.Count == 0)
    {
        kept.Add(figures); // The history is of Guru as it comes.
    }
}

static async Task FramesAsync(History kept)
{
    var figures = await FrameBench.RunAsync(frames: 2_000_000);
    FrameBench.Print(figures);
    kept.Add(figures);
}

static async Task AppendsAsync(AppendPlan plan, History kept) => kept.Add(await AppendBench.RunAsync(plan));
