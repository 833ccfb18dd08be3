namespace Guru.Application.Voice;

/// <summary>G.711 mu-law at 8 kHz: 8 bytes are a millisecond.</summary>
public static class AudioLength
{
    public const int BytesPerMs = 8;

    /// <summary>Whole milliseconds, rounded down: a truncate beyond the audio is refused by the model.</summary>
    public static long ToMs(long bytes) => bytes / BytesPerMs;

    public static TimeSpan Of(long bytes) => TimeSpan.FromTicks(bytes * (TimeSpan.TicksPerMillisecond / BytesPerMs));

    public static long ToBytes(TimeSpan length) => length.Ticks / (TimeSpan.TicksPerMillisecond / BytesPerMs);
}
