using Guru.Api.Hosting;
using Guru.Application.Traces;
using Guru.Application.Voice;
using Guru.Application.VoiceSessions;
using Guru.Domain.Agents;
using Shouldly;

namespace Guru.Api.Tests;

/// <summary>Of files: what is asked of the database is covered end to end.</summary>
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
    public async Task The_exit_code_is_1_when_a_call_is_decided_otherwise()
    {
        await File.WriteAllTextAsync(_file, Trace().Replace("\"is\":\"UseModel\"", "\"is\":\"DropModel\"", StringComparison.Ordinal));

        (await CommandLine.RunAsync(["replay", _file])).ShouldBe(1);
    }

    [Fact]
    public async Task A_file_that_is_renewed_holds_what_is_decided_now()
    {
        var trace = Trace();
        await File.WriteAllTextAsync(_file, trace.Replace("\"is\":\"UseModel\"", "\"is\":\"DropModel\"", StringComparison.Ordinal));

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
