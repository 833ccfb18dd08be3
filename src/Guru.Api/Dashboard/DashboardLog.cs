namespace Guru.Api.Dashboard;

/// <summary>What the dashboard logs: names of keys and ids, never a key or a number.</summary>
internal static partial class DashboardLog
{
    [LoggerMessage(Level = LogLevel.Information, Message = "The key {Key} has signed in to the dashboard")]
    public static partial void SignedIn(this ILogger logger, string key);

    [LoggerMessage(Level = LogLevel.Warning, Message = "A wrong key was refused at the dashboard's sign-in")]
    public static partial void KeyRefused(this ILogger logger);

    [LoggerMessage(Level = LogLevel.Error, Message = "The page {Page} could not be loaded")]
    public static partial void PageFailed(this ILogger logger, Exception error, string page);
}
