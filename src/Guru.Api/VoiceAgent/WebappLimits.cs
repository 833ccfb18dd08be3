using System.Globalization;
using System.Threading.RateLimiting;
using Guru.Api.Security;
using Guru.Domain.Callers;
using Microsoft.AspNetCore.RateLimiting;

namespace Guru.Api.VoiceAgent;

/// <summary>How much a webapp may ask: by key before anything is read, by caller when it is known who that is.</summary>
internal sealed class WebappLimits(WebappOptions options) : IDisposable
{
    public const string PerKey = "webapp";

    private readonly PartitionedRateLimiter<CallerId> _perCaller = PartitionedRateLimiter.Create<CallerId, CallerId>(caller =>
        RateLimitPartition.GetFixedWindowLimiter(caller, _ => AMinute(options.SessionsPerMinutePerCaller)));

    public static void Configure(RateLimiterOptions limiter, WebappOptions options)
    {
        limiter.AddPolicy(PerKey, context =>
            RateLimitPartition.GetFixedWindowLimiter(context.User.KeyOf(), _ => AMinute(options.RequestsPerMinutePerKey)));
        limiter.OnRejected = async (rejected, _) => await TooMany(rejected.Lease, rejected.HttpContext, "this key").ExecuteAsync(rejected.HttpContext);
    }

    /// <returns>Null where the caller may go on.</returns>
    public IResult? Refuse(CallerId? caller, HttpContext context)
    {
        if (caller is not { } known)
        {
            return null;
        }

        using var lease = _perCaller.AttemptAcquire(known);
        return lease.IsAcquired ? null : TooMany(lease, context, "this caller");
    }

    public void Dispose() => _perCaller.Dispose();

    private static FixedWindowRateLimiterOptions AMinute(int permits) => new() { PermitLimit = permits, Window = TimeSpan.FromMinutes(1), QueueLimit = 0 };

    private static IResult TooMany(RateLimitLease lease, HttpContext context, string whose)
    {
        if (lease.TryGetMetadata(MetadataName.RetryAfter, out var wait))
        {
            context.Response.Headers.RetryAfter = Math.Ceiling(wait.TotalSeconds).ToString(CultureInfo.InvariantCulture);
        }

        return Results.Problem(statusCode: StatusCodes.Status429TooManyRequests, title: $"Too many requests for {whose}.");
    }
}
