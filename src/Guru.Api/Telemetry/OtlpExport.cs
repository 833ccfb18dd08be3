using Guru.Application.Voice;
using OpenTelemetry;
using OpenTelemetry.Metrics;
using OpenTelemetry.Resources;
using OpenTelemetry.Trace;

namespace Guru.Api.Telemetry;

/// <summary>Sends traces and metrics by OTLP where OTEL_EXPORTER_OTLP_ENDPOINT is set; the exporter reads that and its other OTEL_ variables itself.</summary>
/// <remarks>Paths and queries are not exported: some endpoints take a phone number.</remarks>
internal sealed class OtlpExport(IConfiguration configuration) : IHostedService, IDisposable
{
    private TracerProvider? _traces;
    private MeterProvider? _metrics;

    public Task StartAsync(CancellationToken cancellationToken)
    {
        if (string.IsNullOrEmpty(configuration["OTEL_EXPORTER_OTLP_ENDPOINT"]))
        {
            return Task.CompletedTask;
        }

        var resource = ResourceBuilder.CreateDefault().AddService("guru");

        // The framework's own span of a request, which would hold the path, is the parent of ours and is never sampled.
        var sampler = new ParentBasedSampler(new AlwaysOnSampler(), localParentNotSampled: new AlwaysOnSampler());
        _traces = Sdk.CreateTracerProviderBuilder().SetResourceBuilder(resource).SetSampler(sampler).AddSource(CallMeter.Name, "Npgsql").AddOtlpExporter().Build();
        _metrics = Sdk.CreateMeterProviderBuilder().SetResourceBuilder(resource)
            .AddMeter(CallMeter.Name, "Npgsql", "Microsoft.AspNetCore.Hosting", "Microsoft.AspNetCore.Server.Kestrel", "System.Runtime", "System.Net.Http")
            .AddOtlpExporter().Build();
        return Task.CompletedTask;
    }

    public Task StopAsync(CancellationToken cancellationToken)
    {
        _traces?.ForceFlush(5000);
        _metrics?.ForceFlush(5000);
        return Task.CompletedTask;
    }

    public void Dispose()
    {
        _traces?.Dispose();
        _metrics?.Dispose();
    }
}
