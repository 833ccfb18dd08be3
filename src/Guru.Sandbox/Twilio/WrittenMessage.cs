using Guru.Sandbox.Timing;

namespace Guru.Sandbox.Twilio;

/// <summary>How the application answered one delivery of a message.</summary>
/// <param name="Status">HTTP; 0 when there was no answer.</param>
/// <param name="Replies">What the person got for it, by TwiML or by mistake.</param>
/// <param name="Problem">What Twilio logged.</param>
public sealed record MessageAnswered(
    int Status, string? ContentType, string Body, TimeSpan Took, IReadOnlyList<string> Replies, MessageProblem? Problem);

/// <summary>Twilio's warnings and errors about a message, by their number.</summary>
public sealed record MessageProblem(string MessageSid, int Code, string Text);

/// <summary>A message on its way from a person to the application.</summary>
public sealed class WrittenMessage
{
    internal WrittenMessage(InboundMessage message, string messageSid, DateTimeOffset at, Dictionary<string, string> parameters) =>
        (Message, MessageSid, At, Parameters) = (message, messageSid, at, parameters);

    public InboundMessage Message { get; }

    public string MessageSid { get; }

    public DateTimeOffset At { get; }

    /// <summary>As posted.</summary>
    public IReadOnlyDictionary<string, string> Parameters { get; }

    /// <summary>One for each delivery.</summary>
    public Journal<MessageAnswered> Answers { get; } = new();

    /// <summary>Completes when every delivery was answered.</summary>
    public Task Delivered { get; internal set; } = Task.CompletedTask;

    /// <summary>Names the request: a delivery that is tried again carries it again.</summary>
    internal string IdempotencyToken { get; } = Guid.NewGuid().ToString();

    public override string ToString() => $"{MessageSid} {Message.Kind} {InboundFields.BodyOf(Message)}";
}
