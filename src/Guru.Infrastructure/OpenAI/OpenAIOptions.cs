using System.ComponentModel.DataAnnotations;

namespace Guru.Infrastructure.OpenAI;

public sealed record OpenAIOptions
{
    /// <summary>REST base; the realtime address is the same with ws or wss and <c>/realtime</c>.</summary>
    [Required]
    public Uri BaseUrl { get; init; } = new("https://api.openai.com/v1");

    [Required]
    public string ApiKey { get; init; } = "";

    /// <summary>How long the opening of the socket may take.</summary>
    public TimeSpan ConnectTimeout { get; init; } = TimeSpan.FromSeconds(5);

    /// <summary>How long the model may take, once connected, to confirm its configuration.</summary>
    public TimeSpan ConfigureTimeout { get; init; } = TimeSpan.FromSeconds(5);

    /// <summary>How often the model is pinged while nothing else comes from it.</summary>
    public TimeSpan KeepAliveInterval { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>How long a ping may stay unanswered before the session is taken for lost, and the call goes on with a new one.</summary>
    public TimeSpan KeepAliveTimeout { get; init; } = TimeSpan.FromSeconds(5);

    /// <summary>How long the closing of a session may take.</summary>
    public TimeSpan CloseTimeout { get; init; } = TimeSpan.FromSeconds(1);

    /// <summary>The longest message of the model that is read.</summary>
    [Range(64 * 1024, 64 * 1024 * 1024)]
    public int MaxMessageBytes { get; init; } = 1024 * 1024;

    /// <summary>How much may wait to be sent to a model that reads slowly.</summary>
    [Range(64 * 1024, 64 * 1024 * 1024)]
    public int MaxQueuedBytes { get; init; } = 4 * 1024 * 1024;

    /// <summary>The key does not belong in a log.</summary>
    public override string ToString() => $"{nameof(OpenAIOptions)} {{ {BaseUrl} }}";
}
