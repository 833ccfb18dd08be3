using System.CommandLine;
using Guru.Application.Traces;
using Guru.Domain.Calls;
using Guru.Infrastructure.Postgres;

namespace Guru.Api.Hosting;

/// <summary><c>replay</c>: what stored calls were told runs through today's rules. docs/replay.md</summary>
internal static class ReplayCommand
{
    private const int Same = 0;
    private const int Different = 1;
    private const int NoTrace = 2;

    private static readonly Argument<string[]> Of = new("calls")
    {
        Description = "CallSids, or files of traces.", Arity = ArgumentArity.ZeroOrMore,
    };

    private static readonly Option<bool> All = new("--all") { Description = "Every call that has a trace." };

    private static readonly Option<DirectoryInfo> Export = new("--export")
    {
        Description = "Writes the traces into a folder, as text, with the words that were said.",
    };

    private static readonly Option<bool> Renew = new("--renew") { Description = "Writes what is decided now into the files, in place of what was decided then." };

    public static Command Create(Func<Func<Task<int>>, Task<int>> mending, Func<IConfiguration> environment)
    {
        var replay = new Command(
            "replay",
            "Runs what calls were told (Guru__Traces__Enabled) through today's rules. The exit code is 0 when everything is decided as it was, 1 when something is not, 2 when there is no trace.")
        {
            Of, All, Export, Renew,
        };
        replay.SetAction((parsed, cancellationToken) => mending(() => RunAsync(
            environment, parsed.GetValue(Of) ?? [], parsed.GetValue(All), parsed.GetValue(Export), parsed.GetValue(Renew), parsed.InvocationConfiguration.Output, cancellationToken)));
        return replay;
    }

    private static async Task<int> RunAsync(
        Func<IConfiguration> environment, string[] of, bool all, DirectoryInfo? export, bool renew, TextWriter output, CancellationToken cancellationToken)
    {
        if (of.Length == 0 && !all)
        {
            await Console.Error.WriteLineAsync("Say which calls: CallSids, files of traces, or --all.");
            return NoTrace;
        }

        var files = of.Where(File.Exists).ToList();
        var unknown = of.Except(files, StringComparer.Ordinal).Where(name => !CallSid.TryParse(name, out _)).ToList();
        var calls = of.Except(files, StringComparer.Ordinal).Except(unknown, StringComparer.Ordinal).ToList();
        var results = new List<int>();
        foreach (var name in unknown)
        {
            output.WriteLine($"{name}: there is no such file, and it is no CallSid either (CA and 32 hexadecimal digits).");
            results.Add(NoTrace);
        }

        foreach (var file in files)
        {
            var (result, today) = Replay(Path.GetFileName(file), await File.ReadAllTextAsync(file, cancellationToken), output);
            results.Add(result);
            if (renew && today is not null)
            {
                await File.WriteAllTextAsync(file, today, cancellationToken);
            }
        }

        if (all || calls.Count > 0)
        {
            var settings = GuruSettings.Read(environment(), serving: false);
            using var loggers = LoggerFactory.Create(logging => logging.SetMinimumLevel(LogLevel.Warning).AddConsole());
            await using var database = await Database.OpenAsync(settings.Database, loggers, cancellationToken);
            await using var services = new ServiceCollection().AddEventStore(database, settings.Prices).BuildServiceProvider();
            var traces = services.GetRequiredService<ICallTraces>();
            foreach (var call in all ? (await traces.CallsAsync(cancellationToken)).Select(call => call.Value) : calls)
            {
                results.Add(await ReplayAsync(traces, call, export, output, cancellationToken));
            }
        }

        if (results.Count > 1)
        {
            output.WriteLine($"{results.Count(result => result == Same)} as they were, {results.Count(result => result == Different)} different, {results.Count(result => result == NoTrace)} without a trace");
        }

        return results.Contains(Different) ? Different : results.Contains(NoTrace) || results.Count == 0 ? NoTrace : Same;
    }

    private static async Task<int> ReplayAsync(ICallTraces traces, string call, DirectoryInfo? export, TextWriter output, CancellationToken cancellationToken)
    {
        var kept = CallSid.TryParse(call, out var callSid) ? await traces.OfAsync(callSid, cancellationToken) : [];
        if (kept.Count == 0)
        {
            output.WriteLine($"{call}: there is no trace. Calls are traced while Guru__Traces__Enabled is true.");
            return NoTrace;
        }

        var result = Same;
        foreach (var (trace, number) in kept.Select((trace, index) => (trace, index + 1)))
        {
            var name = kept.Count == 1 ? call : $"{call}, stream {number} of {kept.Count}";
            if (trace.Text is null)
            {
                output.WriteLine($"{name}: the trace was erased with its keys.");
                result = result == Different ? result : NoTrace;
                continue;
            }

            if (export is not null)
            {
                export.Create();
                await File.WriteAllTextAsync(Path.Combine(export.FullName, $"{call}{(kept.Count == 1 ? "" : $".{number}")}.trace"), trace.Text, cancellationToken);
            }

            var (replayed, _) = Replay(name, trace.Text, output);
            result = result == Same || replayed == Different ? replayed : result;
        }

        return result;
    }

    /// <returns>The exit code, and the trace as it would be written today.</returns>
    private static (int Result, string? Today) Replay(string name, string text, TextWriter output)
    {
        try
        {
            var outcome = CallReplay.Run(text);
            output.WriteLine(
                $"{name}: {outcome.Inputs} inputs in {outcome.Length.TotalSeconds:F1} s, {outcome.Decisions} decisions, "
                + $"{(outcome.Difference is null ? "each as it was" : "and a difference")}{(outcome.IsCut ? " (the trace was too large, and is cut)" : "")}");
            if (outcome.Difference is not { } difference)
            {
                return (Same, outcome.Today);
            }

            output.WriteLine($"  at       {difference.At.TotalSeconds:F3} s, input {difference.Input}: {difference.What}");
            output.WriteLine($"  expected {difference.Expected}");
            output.WriteLine($"  got      {difference.Got}");
            return (Different, outcome.Today);
        }
        catch (TraceException error)
        {
            output.WriteLine($"{name}: {error.Message}");
            return (NoTrace, null);
        }
    }
}
