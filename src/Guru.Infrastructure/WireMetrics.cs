using System.Diagnostics.Metrics;

namespace Guru.Infrastructure;

/// <summary>What passes over the wires, as counters of the meter <c>Guru</c>. Adding is free of allocation while nobody listens.</summary>
internal static class WireMetrics
{
    private static readonly Meter Meter = new("Guru");

    public static readonly Counter<long> FramesIn = Meter.CreateCounter<long>("guru.frames.in", "{frame}", "Frames of the caller's audio received.");

    public static readonly Counter<long> FramesOut = Meter.CreateCounter<long>("guru.frames.out", "{frame}", "Messages with audio sent to the caller.");

    public static readonly Counter<long> FramesMalformed =
        Meter.CreateCounter<long>("guru.frames.malformed", "{frame}", "Messages of the carrier that were ignored, by reason.");

    public static readonly Counter<long> ModelMalformed =
        Meter.CreateCounter<long>("guru.model.malformed", "{message}", "Messages of the voice model that could not be read.");

    public static readonly Histogram<double> ModelDial =
        Meter.CreateHistogram<double>("guru.model.dial", "s", "From dialling the voice model to its confirmed configuration.");

    public static readonly Histogram<double> TextAnswer =
        Meter.CreateHistogram<double>("guru.text.answer", "s", "What the text model was asked, by purpose and outcome.");

    public static readonly Counter<long> TextTokens =
        Meter.CreateCounter<long>("guru.text.tokens", "{token}", "Tokens of the text model, by purpose and kind; cached ones are input too.");
}
