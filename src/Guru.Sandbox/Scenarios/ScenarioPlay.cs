using Guru.Sandbox.OpenAI;
using Guru.Sandbox.Twilio;

namespace Guru.Sandbox.Scenarios;

/// <summary>Plays the person of a scenario, in real time, against whatever application the stand-ins know.</summary>
public sealed class ScenarioPlay(Scenario scenario, TwilioStandIn twilio)
{
    private readonly HashSet<string> _waitedFor = new(StringComparer.Ordinal);
    private readonly List<(PlacedCall Call, Expectations Expect)> _calls = [];
    private readonly List<string> _mistakes = [];

    /// <summary>The calls that were placed, each with what must be on record for it.</summary>
    public IReadOnlyList<(PlacedCall Call, Expectations Expect)> Calls => _calls;

    /// <summary>The call of the scenario itself; null when there is none.</summary>
    public PlacedCall? OwnCall { get; private set; }

    /// <summary>What the person waited for in vain.</summary>
    public IReadOnlyList<string> Mistakes => _mistakes;

    /// <summary>Arranges what goes wrong around messages.</summary>
    public void Arrange(OpenAIStandIn openai)
    {
        var faults = scenario.MessageFaults;
        twilio.Messaging.Delivery = faults.Delivery;
        faults.Rest.ForEach(twilio.Rest.FailNext);
        faults.Text.ForEach(openai.Http.FailNext);
        faults.FailedDeliveries.ForEach(twilio.Rest.FailNextDelivery);
    }

    /// <param name="cancellationToken">Gives up.</param>
    public async Task RunAsync(CancellationToken cancellationToken = default)
    {
        if (scenario.Messages.IsEmpty)
        {
            await CallAsync(new PersonCalls(Call: null), cancellationToken);
        }

        foreach (var step in scenario.Messages)
        {
            await (step switch
            {
                PersonWrites writes => twilio.WriteBurstAsync(writes.Messages, cancellationToken),
                PersonWaits waits => WaitAsync(waits, cancellationToken),
                PersonCalls calls => CallAsync(calls, cancellationToken),
                Pause pause => Task.Delay(pause.For, cancellationToken),
                TimePasses passes => AdvanceAsync(passes),
                _ => throw new System.Diagnostics.UnreachableException($"{step.GetType().Name} has no play."),
            });
            if (_mistakes.Count > 0)
            {
                // What comes next would only be compared with an answer that never came.
                return;
            }
        }
    }

    private Task AdvanceAsync(TimePasses passes)
    {
        twilio.Clock.Advance(passes.By);
        return Task.CompletedTask;
    }

    private async Task WaitAsync(PersonWaits waits, CancellationToken cancellationToken)
    {
        try
        {
            var reply = await twilio.WaitForMessageAsync(
                scenario.Call.From,
                message => !_waitedFor.Contains(message.Sid) && (waits.Part is not { } part || message.Body.Contains(part, StringComparison.OrdinalIgnoreCase)),
                waits.AtMost, cancellationToken);
            foreach (var message in twilio.Messaging.Received.Entries)
            {
                _waitedFor.Add(message.Sid);
                if (message == reply)
                {
                    break;
                }
            }
        }
        catch (TimeoutException)
        {
            var got = twilio.Messaging.Received.Entries.Where(message => !_waitedFor.Contains(message.Sid)).Select(message => $"\"{message.Body}\"");
            _mistakes.Add($"No reply{(waits.Part is { } part ? $" with \"{part}\"" : "")} came within {waits.AtMost.TotalSeconds:F0} s; what came: [{string.Join(", ", got)}].");
        }
    }

    private async Task CallAsync(PersonCalls step, CancellationToken cancellationToken)
    {
        var plan = step.Call ?? new ScenarioCall(scenario.Call, scenario.Expect);
        var call = twilio.PlaceCall(plan.Call);
        _calls.Add((call, plan.Expect));
        OwnCall ??= step.Call is null ? call : null;
        await call.Completion.WaitAsync(cancellationToken);
    }
}
