using System.Collections.Concurrent;
using System.Text;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;

namespace Guru.Infrastructure.Tests.Sockets;

/// <param name="Target">Path and query as they came over the wire.</param>
internal sealed record AskedRequest(string Method, string Target, IHeaderDictionary Headers, byte[] Body)
{
    public string Text => Encoding.UTF8.GetString(Body);

    public string? Authorization => Headers.TryGetValue("Authorization", out var value) ? value.ToString() : null;
}

/// <summary>An HTTP server that gives one scripted answer after the other, the last again and again, and remembers what it was asked.</summary>
internal sealed class ScriptedServer : IAsyncDisposable
{
    private readonly ConcurrentQueue<AskedRequest> _asked = [];
    private readonly CancellationTokenSource _closing = new();
    private LoopbackServer _server = null!;

    public Uri Address => _server.Address;

    public IReadOnlyList<AskedRequest> Asked => [.. _asked];

    public static async Task<ScriptedServer> StartAsync(params Func<HttpContext, Task>[] answers)
    {
        var scripted = new ScriptedServer();
        var number = -1;
        scripted._server = await LoopbackServer.StartAsync(async context =>
        {
            using var body = new MemoryStream();
            await context.Request.Body.CopyToAsync(body);
            var target = context.Features.Get<IHttpRequestFeature>()!.RawTarget;
            scripted._asked.Enqueue(new AskedRequest(
                context.Request.Method, target, new HeaderDictionary(context.Request.Headers.ToDictionary()), body.ToArray()));
            context.RequestAborted = CancellationTokenSource.CreateLinkedTokenSource(context.RequestAborted, scripted._closing.Token).Token;
            await answers[Math.Min(Interlocked.Increment(ref number), answers.Length - 1)](context);
        });
        return scripted;
    }

    public async ValueTask DisposeAsync()
    {
        await _closing.CancelAsync();
        await _server.DisposeAsync();
        _closing.Dispose();
    }
}

/// <summary>What a scripted server may answer.</summary>
internal static class Answers
{
    public static Func<HttpContext, Task> Json(string body, int status = 200, string? retryAfter = null) =>
        Of(status, "application/json", Encoding.UTF8.GetBytes(body), retryAfter);

    public static Func<HttpContext, Task> Html(int status) => Of(status, "text/html", "<html><body>Bad gateway</body></html>"u8.ToArray());

    public static Func<HttpContext, Task> Empty(int status) => Of(status, contentType: null, []);

    public static Func<HttpContext, Task> Of(int status, string? contentType, byte[] body, string? retryAfter = null) => async context =>
    {
        context.Response.StatusCode = status;
        context.Response.ContentType = contentType;
        context.Response.ContentLength = body.Length;
        if (retryAfter is not null)
        {
            context.Response.Headers.RetryAfter = retryAfter;
        }

        await context.Response.Body.WriteAsync(body);
    };

    public static Func<HttpContext, Task> Redirect(Uri to, int status = 307) => context =>
    {
        context.Response.StatusCode = status;
        context.Response.Headers.Location = to.OriginalString;
        return Task.CompletedTask;
    };

    /// <summary>The connection breaks when the request has been read.</summary>
    public static Task Lost(HttpContext context)
    {
        context.Abort();
        return Task.CompletedTask;
    }

    /// <summary>The answer begins, and breaks off: Kestrel closes the connection when less was written than announced.</summary>
    public static Func<HttpContext, Task> CutOff(int status) => async context =>
    {
        context.Response.StatusCode = status;
        context.Response.ContentLength = 1000;
        await context.Response.Body.WriteAsync("{\"sid\":"u8.ToArray());
    };

    /// <summary>No answer, for as long as the test runs.</summary>
    public static async Task Never(HttpContext context)
    {
        var ended = new TaskCompletionSource();
        await using var registration = context.RequestAborted.Register(ended.SetResult);
        await ended.Task;
    }

    /// <summary>Bytes without a length and without an end.</summary>
    public static async Task Endless(HttpContext context)
    {
        context.Response.ContentType = "audio/ogg";
        var bytes = new byte[4096];
        while (!context.RequestAborted.IsCancellationRequested)
        {
            await context.Response.Body.WriteAsync(bytes, context.RequestAborted);
        }
    }
}
