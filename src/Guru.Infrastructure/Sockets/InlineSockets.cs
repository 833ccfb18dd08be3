using System.Net.Sockets;
using System.Runtime.CompilerServices;

namespace Guru.Infrastructure.Sockets;

/// <summary>
/// Sockets whose completions go on at once on the thread that polls them, instead of by way of the thread pool: a frame of audio costs about half of what it
/// did. Only for sockets behind which nothing blocks or takes long.
/// </summary>
public static class InlineSockets
{
    private const string Threads = "DOTNET_SYSTEM_NET_SOCKETS_THREAD_COUNT";

    /// <summary>
    /// One polling thread for each core, since those now carry the audio; by default .NET has one for thirty cores. To be called before any socket is made,
    /// because it is read once.
    /// </summary>
    public static void SpreadOverCores()
    {
        if (Environment.GetEnvironmentVariable(Threads) is null)
        {
            Environment.SetEnvironmentVariable(Threads, Environment.ProcessorCount.ToString(System.Globalization.CultureInfo.InvariantCulture));
        }
    }

    /// <summary>A .NET that does not know the setting goes on by way of the thread pool.</summary>
    public static void PreferInline(this Socket socket)
    {
        try
        {
            SetPreferInlineCompletions(socket, value: true);
        }
        catch (MissingMethodException)
        {
        }
    }

    // Not public, and kept for callers from outside (its setter is marked as used by reflection). The environment variable that does the same for all sockets
    // of the process would put the database's continuations on those threads too.
    [UnsafeAccessor(UnsafeAccessorKind.Method, Name = "set_PreferInlineCompletions")]
    private static extern void SetPreferInlineCompletions(Socket socket, bool value);
}
