using System.CommandLine;
using Guru.Benchmarks;

var calls = new Option<int>("--calls") { Description = "Calls at once.", DefaultValueFactory = _ => 20 };
var bargeIns = new Option<int>("--barge-ins") { Description = "Interruptions in each call.", DefaultValueFactory = _ => 5 };
var seed = new Option<int>("--seed") { DefaultValueFactory = _ => 1 };
var heard = new Command("heard", "How far what Guru records as heard is from what the carrier played, over barge-ins at random times.") { calls, bargeIns, seed };
heard.SetAction(parsed => HeardBench.RunAsync(parsed.GetValue(calls), parsed.GetValue(bargeIns), parsed.GetValue(seed)));

var root = new RootCommand("Measures Guru in the sandbox. Without a command, everything.") { heard };
root.SetAction(_ => HeardBench.RunAsync(calls: 20, bargeIns: 5, seed: 1));
return await root.Parse(args).InvokeAsync();
