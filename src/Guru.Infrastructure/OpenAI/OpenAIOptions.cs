using System.ComponentModel.DataAnnotations;

namespace Guru.Infrastructure.OpenAI;

/// <summary>Where OpenAI is and who asks, as the environment says; how long it is waited for, section <c>Guru:OpenAI</c>.</summary>
public sealed record OpenAIOptions
{
    /// <summary>REST base; the realtime address is the same with ws or wss and <c>/realtime</c>.</summary>
    public Uri BaseUrl { get; init; } = new("https://api.openai.com/v1");

    public string ApiKey { get; init; } = "";

    /// <summary>How long the opening of the socket may take.</summary>
    [Range(0.01, 60)]
    public double ConnectTimeoutSeconds { get; init; } = 5;

    /// <summary>How long the model may take, once connected, to confirm its configuration.</summary>
    [Range(0.01, 60)]
    public double ConfigureTimeoutSeconds { get; init; } = 5;

    /// <summary>How often the model is pinged while nothing else comes from it.</summary>
    [Range(1, 600)]
    public double KeepAliveIntervalSeconds { get; init; } = 10;

    /// <summary>How long a ping may stay unanswered before the session is taken for lost, and the call goes on with a new one.</summary>
    [Range(1, 600)]
    public double KeepAliveTimeoutSeconds { get; init; } = 5;

    /// <summary>How long the closing of a session may take.</summary>
    [Range(0.01, 60)]
    public double CloseTimeoutSeconds { get; init; } = 1;

    /// <summary>The longest message of the model that is read; over a sideband longer ones are.</summary>
    [Range(64 * 1024, 64 * 1024 * 1024)]
    public int MaxMessageBytes { get; init; } = 1024 * 1024;

    /// <summary>How much may wait to be sent to a model that reads slowly.</summary>
    [Range(64 * 1024, 64 * 1024 * 1024)]
    public int MaxQueuedBytes { get; init; } = 4 * 1024 * 1024;

    internal TimeSpan ConnectTimeout => TimeSpan.FromSeconds(ConnectTimeoutSeconds);

    internal TimeSpan ConfigureTimeout => TimeSpan.FromSeconds(ConfigureTimeoutSeconds);

    internal TimeSpan KeepAliveInterval => TimeSpan.FromSeconds(KeepAliveIntervalSeconds);

    internal TimeSpan KeepAliveTimeout => TimeSpan.FromSeconds(KeepAliveTimeoutSeconds);

    internal TimeSpan CloseTimeout => TimeSpan.FromSeconds(CloseTimeoutSeconds);

    /// <summary>The key does not belong in a log.</summary>
    public override string ToString() => $"{nameof(OpenAIOptions)} {{ {BaseUrl} }}";
}
