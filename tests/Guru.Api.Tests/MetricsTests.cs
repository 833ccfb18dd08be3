using System.Collections.Concurrent;
using System.Diagnostics.Metrics;
using System.Reflection;
using System.Runtime.CompilerServices;
using Guru.Application.Voice;
using Guru.Infrastructure.Postgres;
using Shouldly;

namespace Guru.Api.Tests;

public sealed class MetricsTests
{
    [Fact]
    public void The_document_has_every_metric()
    {
        var published = new ConcurrentDictionary<string, Instrument>();
        using var listener = new MeterListener();
        listener.InstrumentPublished = (instrument, _) =>
        {
            if (instrument.Meter.Name == CallMeter.Name)
            {
                published[instrument.Name] = instrument;
            }
        };
        listener.Start();
        foreach (var type in (Type[])[.. typeof(CallMeter).Assembly.GetTypes(), .. typeof(Database).Assembly.GetTypes()])
        {
            if (type.GetFields(BindingFlags.Static | BindingFlags.Public | BindingFlags.NonPublic)
                .Any(field => field.FieldType == typeof(Meter) || field.FieldType.IsSubclassOf(typeof(Instrument))))
            {
                RuntimeHelpers.RunClassConstructor(type.TypeHandle);
            }
        }

        Documents.Rows("docs/operating.md", "| `guru.").SelectMany(cells => cells[0].Split(", ")).Select(name => name.Trim('`'))
            .ShouldBe(published.Keys, ignoreOrder: true);
    }
}
