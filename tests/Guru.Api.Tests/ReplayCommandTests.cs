using Guru.Api.Hosting;
using Guru.Application.Traces;
using Guru.Application.Voice;
using Guru.Application.VoiceSessions;
using Guru.Domain.Agents;
using Shouldly;

namespace Guru.Api.Tests;

/// <summary>Of files. Those of the database are replayed end to end, beside nodes that run (ReplayingStoredCalls).</summary>
public sealed class ReplayCommandTests : IDisposable
{
    private readonly string _file = Path.GetTempFileName();

    public void Dispose() => File.Delete(_file);

    [Fact]
    public async Task The_exit_code_is_0_when_a_call_is_decided_as_it_was()
    {
        await File.WriteAllTextAsync(_file, Trace());

        (await CommandLine.RunAsync(["replay", _file])).ShouldBe(0);
    }

    [Fact]
    public async Task The_exit_code_is_1_when_a_call_is_decided_otherwise_and_the_first_difference_is_told()
    {
        using var output = new StringWriter { NewLine = "\n" };
        await File.WriteAllTextAsync(_file, Otherwise(Trace()));

        (await CommandLine.RunAsync(["replay", _file], output)).ShouldBe(1);

        var told = output.ToString().TrimEnd().Split('\n');
        told.Length.ShouldBe(4, output.ToString());
        told[0].ShouldBe($"{Path.GetFileName(_file)}: 3 inputs in 0.9 s, 3 decisions, and a difference");
        told[1].ShouldStartWith("  at       0.030 s, input 2: i 30 {\"is\":\"ModelDialed\"");
        told[2].ShouldStartWith("  expected decides {\"is\":\"DropModel\"");
        told[3].ShouldStartWith("  got      decides {\"is\":\"UseModel\"");
    }

    [Fact]
    public async Task A_file_that_is_renewed_holds_what_is_decided_now()
    {
        var trace = Trace();
        await File.WriteAllTextAsync(_file, Otherwise(trace));

        (await CommandLine.RunAsync(["replay", "--renew", _file])).ShouldBe(1);

        (await File.ReadAllTextAsync(_file)).ShouldBe(trace);
        (await CommandLine.RunAsync(["replay", _file])).ShouldBe(0);
    }

    [Fact]
    public async Task The_exit_code_is_2_when_there_is_no_trace()
    {
        await File.WriteAllTextAsync(_file, "something else");

        (await CommandLine.RunAsync(["replay", _file])).ShouldBe(2);
        (await CommandLine.RunAsync(["replay"])).ShouldBe(2);
    }

    [Fact]
    public async Task A_file_that_is_not_there_is_said_to_be_not_there()
    {
        using var output = new StringWriter { NewLine = "\n" };

        (await CommandLine.RunAsync(["replay", _file + ".trace"], output)).ShouldBe(2);

        output.ToString().ShouldBe($"{_file}.trace: there is no such file, and it is no CallSid either (CA and 32 hexadecimal digits).\n");
    }

    /// <summary>As if the session had let go of the model that it used.</summary>
    private static string Otherwise(string trace) => trace.Replace("\"is\":\"UseModel\"", "\"is\":\"DropModel\"", StringComparison.Ordinal);

    private static string Trace()
    {
        var agents = new AgentCatalog("house", "spoken", "written", [new Agent("general", "The rest.", "You advise.", Voice: null, GreetingHint: null)]);
        var start = new CallSessionStart(DateTimeOffset.UnixEpoch, agents, new VoiceSettings(), "general", Language: null, Resumed: false, []);
        var trace = new CallTrace(start, new CallRules(), int.MaxValue);
        var session = new CallSession(start, new CallRules(), trace);
        session.PlaceFrame(160, 0, TimeSpan.Zero);
        session.Handle(new ModelDialed("sess_1", TimeSpan.FromHours(1)), TimeSpan.FromMilliseconds(30));
        session.TakeDecisions().ShouldNotBeEmpty();
        session.Handle(new CallerHungUp(), TimeSpan.FromMilliseconds(900));
        session.TakeDecisions().ShouldNotBeEmpty();
        return TraceText.Fold(trace.Close().Span);
    }
}
