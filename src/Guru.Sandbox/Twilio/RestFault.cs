using Guru.Sandbox.Hosting;

namespace Guru.Sandbox.Twilio;

/// <summary>A REST request that fails, once.</summary>
/// <param name="Resource">Calls, Messages, Media, Indicators or Content.</param>
public sealed record RestFault(string Resource, int Status, int Code, string Message = "It was arranged to fail.")
{
    /// <summary>POST or GET alone; null: either.</summary>
    public string? Method { get; init; }

    /// <summary>The request is carried out all the same: the message is sent, and only the answer is lost.</summary>
    public bool Executed { get; init; }

    public TimeSpan? RetryAfter { get; init; }

    /// <summary>No answer comes until the client gives up.</summary>
    public bool NeverAnswers { get; init; }

    /// <summary>The connection breaks in place of an answer.</summary>
    public bool BreaksConnection { get; init; }

    /// <summary>Nothing fails, but the answer waits here: after the request was carried out, or before, as <see cref="Executed"/> says.</summary>
    public Hold? Hold { get; init; }

    /// <summary>How many requests in a row.</summary>
    public int Times { get; init; } = 1;

    public static RestFault TooManyRequests(string resource, TimeSpan? retryAfter = null) =>
        new(resource, 429, 20429, "Too Many Requests") { Method = "POST", RetryAfter = retryAfter };

    /// <param name="resource">Calls or Messages.</param>
    /// <param name="executed">What was asked for has happened all the same.</param>
    public static RestFault ServerError(string resource, bool executed) =>
        new(resource, 500, 20500, "An internal server error has occurred") { Method = "POST", Executed = executed };

    /// <param name="resource">Calls or Messages.</param>
    /// <param name="executed">What was asked for has happened all the same.</param>
    public static RestFault Timeout(string resource, bool executed) =>
        new(resource, 504, 20504) { Method = "POST", Executed = executed, NeverAnswers = true };

    /// <param name="resource">Calls, Messages, Media or Indicators.</param>
    /// <param name="method">POST or GET.</param>
    /// <param name="hold">Where it waits.</param>
    /// <param name="executed">What was asked for has happened before.</param>
    public static RestFault Held(string resource, string method, Hold hold, bool executed) =>
        new(resource, 200, 0) { Method = method, Hold = hold, Executed = executed };

    internal bool Fits(HttpRequest request) => (Method is null || Method == request.Method) && ResourceOf(request.Path) == Resource;

    /// <summary>What a path is about: media belong to a message, and are something else.</summary>
    private static string ResourceOf(PathString path)
    {
        var value = path.Value!;
        return Array.Find(["Media", "Messages", "Calls", "Indicators", "Content"], resource => value.Contains($"/{resource}", StringComparison.Ordinal)) ?? "";
    }
}
