using Guru.Application.Traces;
using Guru.Domain.Calls;

namespace Guru.Application.Tests.Traces;

internal sealed class MemoryTraces : ICallTraces
{
    public List<KeptTrace> Kept { get; } = [];

    /// <summary>How often the store does not answer before it does.</summary>
    public int Refusals { get; set; }

    public Task KeepAsync(KeptTrace trace, DateTimeOffset oldest, CancellationToken cancellationToken)
    {
        if (Refusals-- > 0)
        {
            throw new IOException("The database does not answer.");
        }

        Kept.Add(trace);
        return Task.CompletedTask;
    }

    public Task<IReadOnlyList<KeptTrace>> OfAsync(CallSid callSid, CancellationToken cancellationToken) =>
        Task.FromResult<IReadOnlyList<KeptTrace>>([.. Kept.Where(trace => trace.CallSid == callSid)]);

    public Task<IReadOnlyList<CallSid>> CallsAsync(CancellationToken cancellationToken) =>
        Task.FromResult<IReadOnlyList<CallSid>>([.. Kept.Select(trace => trace.CallSid).Distinct()]);
}
