using System.CommandLine;
using Guru.Benchmarks;

var calls = new Option<int>("--calls") { Description = "Calls at once.", DefaultValueFactory = _ => 20 };
var bargeIns = new Option<int>("--barge-ins") { Description = "Interruptions in each call.", DefaultValueFactory = _ => 5 };
var seed = new Option<int>("--seed") { DefaultValueFactory = _ => 1 };
var heard = new Command("heard", "How far what Guru records as heard is from what the carrier played, over barge-ins at random times.") { calls, bargeIns, seed };
heard.SetAction(parsed => HeardBench.RunAsync(parsed.GetValue(calls), parsed.GetValue(bargeIns), parsed.GetValue(seed)));

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

var root = new RootCommand("Measures Guru in the sandbox. Without a command, everything.") { heard, context, store };
root.SetAction(async _ =>
{
    await ContextBench.RunAsync(callers: 50, messages: 1000, times: 5000, seed: 1);
    await StoreBench.RunAsync(appends: 2_000, rounds: 3, rebuilt: 100_000);
    return await HeardBench.RunAsync(calls: 20, bargeIns: 5, seed: 1);
});
return await root.Parse(args).InvokeAsync();
