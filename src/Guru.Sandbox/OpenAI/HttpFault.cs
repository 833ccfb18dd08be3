using Guru.Sandbox.Hosting;

namespace Guru.Sandbox.OpenAI;

/// <summary>An answer of the model that is no answer.</summary>
public enum AnswerFault
{
    None,

    /// <summary>A refusal in place of the text.</summary>
    Refusal,

    /// <summary>Cut off at the limit of tokens; a structured answer is then no JSON.</summary>
    CutOff,

    /// <summary>Cut off by the content filter.</summary>
    Filtered,

    /// <summary>The status failed, with an error.</summary>
    Failed,

    /// <summary>Words where JSON was asked for.</summary>
    NotJson,

    /// <summary>No message among the output.</summary>
    Empty,
}

/// <summary>An HTTP answer that is wrong, once.</summary>
/// <param name="Path">What the request's path begins with, such as /v1/responses.</param>
/// <param name="Status">200: the answer is right, after the delay, or wrong as <see cref="Answer"/> says.</param>
public sealed record HttpFault(string Path, int Status, string Code, TimeSpan? RetryAfter = null, TimeSpan Delay = default)
{
    /// <summary>Only a request whose body is so; null: any. An upload's fields are JSON here.</summary>
    public Func<string, bool>? When { get; init; }

    /// <summary>How many requests in a row.</summary>
    public int Times { get; init; } = 1;

    /// <summary>What the model answers to /v1/responses with status 200.</summary>
    public AnswerFault Answer { get; init; }

    /// <summary>The error's type; null: as its status has it.</summary>
    public string? Type { get; init; }

    /// <summary>No answer comes until the client gives up.</summary>
    public bool NeverAnswers { get; init; }

    /// <summary>The right answer waits here.</summary>
    public Hold? Hold { get; init; }

    public static HttpFault RateLimited(string path, TimeSpan retryAfter) => new(path, 429, "rate_limit_exceeded", retryAfter);

    /// <summary>No money left: trying again does not help.</summary>
    public static HttpFault NoQuota(string path) => new(path, 429, "credit_balance_exhausted") { Type = "insufficient_quota" };

    public static HttpFault Slow(string path, TimeSpan delay) => new(path, 200, "", Delay: delay);

    public static HttpFault Timeout(string path) => new(path, 504, "timeout") { NeverAnswers = true };

    public static HttpFault Held(string path, Hold hold) => new(path, 200, "") { Hold = hold };

    public static HttpFault Answering(AnswerFault answer) => new("/v1/responses", 200, "") { Answer = answer };

    /// <summary>The router, and nothing else, since it alone asks for an agent.</summary>
    public HttpFault OfRouting() => this with { When = body => body.Contains("\"agent\"", StringComparison.Ordinal) && IsStructured(body) };

    /// <summary>Answers to people, which have no schema.</summary>
    public HttpFault OfReplies() => this with { When = body => !IsStructured(body) };

    internal bool Fits(PathString path, string body) =>
        path.StartsWithSegments(Path, StringComparison.Ordinal) && (When?.Invoke(body) ?? true);

    private static bool IsStructured(string body) => body.Contains("json_schema", StringComparison.Ordinal);
}

/// <param name="Body">The request's; for an upload, its fields as JSON, with the name, type and length of its file.</param>
public sealed record HttpExchange(string Method, string Path, int Status, string RequestId, string Body);
