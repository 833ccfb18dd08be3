using System.CommandLine;
using Guru.Benchmarks;
using Guru.Benchmarks.Analysts;

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
var editions = new Command("editions", "Appends and a rebuild by Guru's own event store; with --event-store marten, by turns with Marten.") { appends, rounds, rebuilt };
editions.SetAction(parsed => EditionsBench.RunAsync(parsed.GetValue(appends), parsed.GetValue(rounds), parsed.GetValue(rebuilt)));

var onRecord = new Option<int>("--calls") { Description = "Calls on record.", DefaultValueFactory = _ => 100_000 };
var turns = new Option<int>("--turns") { Description = "Utterances of a call, on average.", DefaultValueFactory = _ => 22 };
var clients = new Option<int>("--clients") { Description = "Who asks at once.", DefaultValueFactory = _ => 8 };
var seconds = new Option<int>("--seconds") { Description = "How long they ask.", DefaultValueFactory = _ => 60 };
var keep = new Option<string?>("--keep") { Description = "A directory in which the database stays, and is found again by the next run." };
var analysts = new Command("analysts", "How long lists, calls, search and figures take over HTTP with many calls on record; exports; the delay of the live view.") { onRecord, turns, clients, seconds, keep };
analysts.SetAction(parsed => AnalystsBench.RunAsync(
    parsed.GetValue(onRecord), parsed.GetValue(turns), parsed.GetValue(clients), parsed.GetValue(seconds), parsed.GetValue(keep)));

var root = new RootCommand("Measures Guru in the sandbox. Without a command, everything but analysts, whose database takes many minutes to fill.") { heard, context, editions, analysts };
root.SetAction(async _ =>
{
    await ContextBench.RunAsync(callers: 50, messages: 1000, times: 5000, seed: 1);
    await EditionsBench.RunAsync(appends: 2_000, rounds: 3, rebuilt: 100_000);
    return await HeardBench.RunAsync(calls: 20, bargeIns: 5, seed: 1);
});
return await root.Parse(args).InvokeAsync();
