namespace Guru.Api.Dashboard.Parts;

/// <param name="At">By the viewer's clock.</param>
public sealed record ChartPoint(DateTime At, double Value)
{
    /// <summary>A text, so that each point of time has a place of its own on the axis.</summary>
    public string Key { get; } = At.ToString("s", System.Globalization.CultureInfo.InvariantCulture);
}

/// <param name="Color">As CSS writes it.</param>
/// <param name="Dashed">For what was before.</param>
public sealed record ChartSeries(string Title, string Color, IReadOnlyList<ChartPoint> Points, bool Columns = false, bool Dashed = false);

/// <summary>A part of a whole, now and in the period before.</summary>
/// <param name="Address">Where its calls are listed.</param>
/// <param name="OverTime">Its calls, stretch by stretch.</param>
public sealed record Portion(string Name, string Address, long Calls, double Share, double ShareBefore, IReadOnlyList<double> OverTime);
