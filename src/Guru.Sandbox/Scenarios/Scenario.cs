using System.Collections.Immutable;
using Guru.Sandbox.OpenAI;
using Guru.Sandbox.Twilio;

namespace Guru.Sandbox.Scenarios;

/// <summary>A call or a conversation as it is rehearsed: what the person does, what goes wrong, and what Guru must have recorded at the end.</summary>
public sealed record Scenario
{
    public required string Name { get; init; }

    public required string Title { get; init; }

    /// <summary>The caller hangs up then, come what may.</summary>
    public TimeSpan AtMost { get; init; } = TimeSpan.FromSeconds(120);

    /// <summary>Guru's settings for this call, as environment variables.</summary>
    public ImmutableDictionary<string, string> Guru { get; init; } = ImmutableDictionary<string, string>.Empty;

    /// <summary>The caller, the line and the webhooks.</summary>
    public CallOptions Call { get; init; } = new();

    /// <summary>What the person does before, between and after calls; empty: the call alone.</summary>
    public ImmutableList<MessageStep> Messages { get; init; } = [];

    public MessageFaults MessageFaults { get; init; } = MessageFaults.None;

    /// <summary>Rules of the model that are tried before those of Brain.yaml.</summary>
    public ImmutableList<BrainRule> Brain { get; init; } = [];

    /// <summary>What goes wrong in the model's sessions, by their number, from 1; 0 is for all others.</summary>
    public ImmutableDictionary<int, RealtimeFaults> Model { get; init; } = ImmutableDictionary<int, RealtimeFaults>.Empty;

    /// <summary>How the caller's turns are transcribed; empty: as the stand-in does by itself.</summary>
    public ImmutableList<TranscriptionStyle> Transcriptions { get; init; } = [];

    public TimeSpan? FirstAudioAfter { get; init; }

    /// <summary>How much faster than real time the model speaks; null: as the stand-in does by itself.</summary>
    public double? Speed { get; init; }

    public required Expectations Expect { get; init; }

    /// <summary>The settings of a model session of this scenario.</summary>
    /// <param name="number">From 1.</param>
    public RealtimeSessionOptions Session(int number)
    {
        var options = new RealtimeSessionOptions { Seed = number, Replies = Sandbox.OpenAI.Brain.Shipped.With(Brain).Reply,
            Faults = FaultsOf(number) };
        return Configure(options);
    }

    /// <summary>A stand-in for OpenAI that plays this scenario.</summary>
    public OpenAIStandInOptions StandIn(string apiKey) => new()
    {
        ApiKey = apiKey,
        Brain = Sandbox.OpenAI.Brain.Shipped.With(Brain),
        Faults = FaultsOf,
        Session = Configure(new RealtimeSessionOptions()),
    };

    RealtimeFaults FaultsOf(int number) => Model.GetValueOrDefault(number) ?? Model.GetValueOrDefault(0) ?? RealtimeFaults.None;

    RealtimeSessionOptions Configure(RealtimeSessionOptions options) => options with
    {
        Transcriptions = Transcriptions.IsEmpty ? options.Transcriptions : Transcriptions,
        FirstAudioAfter = FirstAudioAfter ?? options.FirstAudioAfter,
        Speed = Speed ?? options.Speed,
    };
}

/// <summary>What must be on record when the call is over.</summary>
public sealed record Expectations
{
    /// <summary>As in the contract: callerHungUp, agentEnded, silence ...; empty where no call is placed.</summary>
    public required string EndReason { get; init; }

    /// <summary>Every utterance, in order.</summary>
    public ImmutableList<ExpectedUtterance> Utterances { get; init; } = [];

    /// <summary>How many events of each of these types there are.</summary>
    public ImmutableDictionary<string, CountRange> Events { get; init; } = ImmutableDictionary<string, CountRange>.Empty;

    /// <summary>How often the model was told what was heard; null: not looked at.</summary>
    public CountRange? Truncations { get; init; }

    /// <summary>What the caller heard of fixed sentences, by a part of each, in order; null: not looked at.</summary>
    public ImmutableList<string>? Sentences { get; init; }

    /// <summary>Of the messages; null: only what holds always.</summary>
    public ConversationExpectations? Conversation { get; init; }

    /// <summary>How far Guru's "heard" may be from what was really played.</summary>
    public TimeSpan HeardWithin { get; init; } = TimeSpan.FromMilliseconds(250);
}

/// <param name="Speaker">caller or agent.</param>
/// <param name="Said">A part of it; empty: no words at all; null: not looked at.</param>
/// <param name="Heard">A part of it; null: not looked at.</param>
/// <param name="Interrupted">Null: not looked at.</param>
/// <param name="Optional">It may be missing.</param>
/// <param name="Agent">Who spoke, or was spoken to; null: not looked at.</param>
public sealed record ExpectedUtterance(
    string Speaker, string? Said, string? Heard = null, bool? Interrupted = null, bool Optional = false, string? Agent = null);

public readonly record struct CountRange(int Min, int Max)
{
    public bool Holds(int count) => count >= Min && count <= Max;

    public override string ToString() => Min == Max ? $"{Min}" : Max == int.MaxValue ? $"{Min} or more" : $"{Min} to {Max}";
}
