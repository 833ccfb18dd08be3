using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;
using System.Text;
using Guru.Infrastructure.Sockets;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Shouldly;

namespace Guru.Infrastructure.Tests.Sockets;

public sealed class AServerOnPolledSockets : IAsyncLifetime
{
    private const int Large = 20 * 1024 * 1024;
    private const string Crlf = "\r\n";

    private readonly Errors _errors = new();
    private readonly TaskCompletionSource<HttpContext> _asked = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly TaskCompletionSource<JsonSocket> _upgraded = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly TaskCompletionSource _over = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly TaskCompletionSource _aborted = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly TaskCompletionSource _told = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private WebApplication _app = null!;
    private HttpClient _http = null!;
    private int _port;

    public async Task InitializeAsync()
    {
        _app = Build(kestrel => kestrel.ListenAnyIP(0), _errors);
        _app.UseWebSockets();
        _app.MapGet("/path/{part}", (string part, HttpContext context) => $"{part} {context.Connection.Id} {context.Connection.RemoteIpAddress}");
        _app.MapGet("/large", async context =>
        {
            for (var sent = 0; sent < Large; sent += 64 * 1024)
            {
                await context.Response.Body.WriteAsync(new byte[64 * 1024], context.RequestAborted);
            }
        });
        _app.MapPost("/length", async context =>
        {
            context.Features.Get<IHttpMaxRequestBodySizeFeature>()!.MaxRequestBodySize = null;
            var length = 0L;
            var buffer = new byte[64 * 1024];
            for (int read; (read = await context.Request.Body.ReadAsync(buffer)) > 0; length += read)
            {
            }

            await context.Response.WriteAsync($"{length}");
        });
        _app.MapPost("/told", async context =>
        {
            var left = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            context.RequestAborted.UnsafeRegister(_ => left.TrySetResult(), null);
            await left.Task;
            await context.Request.Body.CopyToAsync(Stream.Null);
            _told.TrySetResult();
        });
        _app.MapPost("/small", async context =>
        {
            context.Features.Get<IHttpMaxRequestBodySizeFeature>()!.MaxRequestBodySize = 1000;
            try
            {
                await context.Request.Body.CopyToAsync(Stream.Null);
            }
            catch (Microsoft.AspNetCore.Http.BadHttpRequestException error)
            {
                context.Response.StatusCode = error.StatusCode;
            }
        });
        _app.MapGet("/waits", async context =>
        {
            context.RequestAborted.UnsafeRegister(_ => _aborted.TrySetResult(), null);
            _asked.TrySetResult(context);
            await _over.Task;
            await context.Response.WriteAsync("nobody is there");
        });
        _app.MapGet("/aborts", context =>
        {
            context.Abort();
            return Task.CompletedTask;
        });
        _app.MapGet("/socket", async context =>
        {
            await using var socket = new JsonSocket(await WebSocketConnection.AcceptAsync(context), new JsonSocketOptions(), TimeProvider.System);
            _upgraded.TrySetResult(socket);
            await _over.Task;
        });
        await _app.StartAsync();
        _port = new Uri(_app.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses.First()).Port;
        _http = new HttpClient { BaseAddress = new Uri($"http://127.0.0.1:{_port}"), Timeout = RawSockets.Patience };
    }

    public async Task DisposeAsync()
    {
        _over.TrySetResult();
        _http.Dispose();
        await _app.StopAsync();
        await _app.DisposeAsync();
        _errors.Logged.ShouldBeEmpty();
    }

    [Fact]
    public async Task Answers_one_request_after_the_other_on_one_connection()
    {
        var first = (await _http.GetStringAsync(new Uri("/path/a", UriKind.Relative))).Split(' ');
        var second = (await _http.GetStringAsync(new Uri("/path/b", UriKind.Relative))).Split(' ');

        (first[0], second[0]).ShouldBe(("a", "b"));
        second[1].ShouldBe(first[1]);
        first[2].ShouldBe("::ffff:127.0.0.1");
    }

    [Fact]
    public async Task Is_reached_by_both_kinds_of_address()
    {
        (await _http.GetStringAsync(new Uri($"http://[::1]:{_port}/path/six"))).ShouldEndWith(" ::1");
    }

    [Fact]
    public async Task Answers_requests_that_come_together_and_in_pieces()
    {
        using var client = await ConnectAsync();
        var requests = string.Concat(Enumerable.Range(0, 5).Select(number => $"GET /path/n{number} HTTP/1.1{Crlf}Host: guru{Crlf}{(number == 4 ? $"Connection: close{Crlf}" : "")}{Crlf}"));
        foreach (var piece in Encoding.ASCII.GetBytes(requests).Chunk(37))
        {
            await client.SendAsync(piece);
        }

        var answers = await ReadToEndAsync(client);

        Enumerable.Range(0, 5).Select(number => answers.IndexOf($"n{number} ", StringComparison.Ordinal)).ShouldBeInOrder();
        answers.ShouldContain("n0 ");
    }

    [Fact]
    public async Task Takes_and_gives_more_than_a_connection_holds()
    {
        using var body = new ByteArrayContent(new byte[Large]);
        using var answer = await _http.PostAsync(new Uri("/length", UriKind.Relative), body);
        (await answer.Content.ReadAsStringAsync()).ShouldBe($"{Large}");

        (await _http.GetByteArrayAsync(new Uri("/large", UriKind.Relative))).Length.ShouldBe(Large);
    }

    [Fact]
    public async Task Tells_a_request_that_its_client_has_left_and_does_not_take_that_for_an_error()
    {
        using (var client = await ConnectAsync())
        {
            await client.SendAsync(Encoding.ASCII.GetBytes($"GET /waits HTTP/1.1{Crlf}Host: guru{Crlf}{Crlf}"));
            await _asked.Task.WaitAsync(RawSockets.Patience);
        }

        await _aborted.Task.WaitAsync(RawSockets.Patience);
    }

    [Fact]
    public async Task Reads_a_request_to_its_end_though_its_client_waits_for_no_answer()
    {
        using var client = await ConnectAsync();
        await client.SendAsync((byte[])[.. Encoding.ASCII.GetBytes($"POST /told HTTP/1.1{Crlf}Host: guru{Crlf}Content-Length: 20000{Crlf}{Crlf}"), .. new byte[20_000]]);
        client.Shutdown(SocketShutdown.Send);

        await _told.Task.WaitAsync(RawSockets.Patience);
    }

    [Theory]
    [InlineData("POST /small HTTP/1.1\r\nHost: guru\r\nContent-Length: 600000\r\n\r\n", "HTTP/1.1 413 ")]
    [InlineData("POST nowhere\r\nContent-Length: 600000\r\n\r\n", "HTTP/1.1 400 ")]
    public async Task Has_a_client_that_sends_more_than_it_may_read_the_refusal(string head, string answer)
    {
        for (var round = 0; round < 20; round++)
        {
            using var client = await ConnectAsync();
            await client.SendAsync((byte[])[.. Encoding.ASCII.GetBytes(head), .. new byte[600_000]]);

            (await ReadToEndAsync(client)).ShouldStartWith(answer);
        }
    }

    [Fact]
    public async Task Stops_answering_a_client_that_resets_the_connection_and_does_not_take_that_for_an_error()
    {
        using var client = await ConnectAsync();
        client.ReceiveBufferSize = 8 * 1024;
        await client.SendAsync(Encoding.ASCII.GetBytes($"GET /large HTTP/1.1{Crlf}Host: guru{Crlf}{Crlf}"));
        (await client.ReceiveAsync(new byte[1024])).ShouldBePositive();
        client.LingerState = new LingerOption(enable: true, seconds: 0);
        client.Dispose();

        (await _http.GetStringAsync(new Uri("/path/next", UriKind.Relative))).ShouldStartWith("next");
    }

    [Fact]
    public async Task Resets_a_connection_that_it_aborts()
    {
        using var client = await ConnectAsync();
        await client.SendAsync(Encoding.ASCII.GetBytes($"GET /aborts HTTP/1.1{Crlf}Host: guru{Crlf}{Crlf}"));

        (await Should.ThrowAsync<SocketException>(client.ReceiveAsync(new byte[1]).WaitAsync(RawSockets.Patience))).SocketErrorCode.ShouldBe(SocketError.ConnectionReset);
    }

    [Fact]
    public async Task Hands_a_socket_on_with_what_came_together_with_the_request()
    {
        using var client = await UpgradeAsync("early");
        var socket = await _upgraded.Task.WaitAsync(RawSockets.Patience);
        await client.SendAsync(Frame("later"));

        (await TextAsync(socket)).ShouldBe("early");
        (await TextAsync(socket)).ShouldBe("later");
    }

    [Fact]
    public async Task Lets_a_socket_go_on_while_it_stops()
    {
        using var client = await UpgradeAsync();
        var socket = await _upgraded.Task.WaitAsync(RawSockets.Patience);
        var reading = TextAsync(socket);
        using var patience = new CancellationTokenSource();
        var stopping = _app.StopAsync(patience.Token);
        _app.Lifetime.ApplicationStopping.IsCancellationRequested.ShouldBeTrue();
        await client.SendAsync(Frame("still here"));
        (await reading).ShouldBe("still here");

        _over.TrySetResult();
        await stopping.WaitAsync(RawSockets.Patience);
    }

    [Fact]
    public async Task Says_that_its_port_is_taken()
    {
        await using var second = Build(kestrel => kestrel.ListenAnyIP(_port), logs: null);

        (await Should.ThrowAsync<IOException>(second.StartAsync())).InnerException.ShouldBeOfType<AddressInUseException>();
    }

    private static WebApplication Build(Action<KestrelServerOptions> listen, ILoggerProvider? logs)
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        if (logs is not null)
        {
            builder.Logging.AddProvider(logs);
        }

        builder.WebHost.UseKestrel(listen).UsePolledSockets();
        return builder.Build();
    }

    private async Task<Socket> ConnectAsync()
    {
        var client = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        await client.ConnectAsync(IPAddress.Loopback, _port);
        return client;
    }

    private async Task<Socket> UpgradeAsync(string? early = null)
    {
        var client = await ConnectAsync();
        await client.SendAsync((byte[])[
            .. Encoding.ASCII.GetBytes(
                $"GET /socket HTTP/1.1{Crlf}Host: guru{Crlf}Upgrade: websocket{Crlf}Connection: Upgrade{Crlf}Sec-WebSocket-Version: 13{Crlf}Sec-WebSocket-Key: AQIDBAUGBwgJCgsMDQ4PEA=={Crlf}{Crlf}"),
            .. early is null ? [] : Frame(early)]);
        return client;
    }

    /// <summary>A client's, with a mask of zeros.</summary>
    private static byte[] Frame(string text) => [0x81, (byte)(0x80 | text.Length), 0, 0, 0, 0, .. Encoding.ASCII.GetBytes(text)];

    private static async Task<string> TextAsync(JsonSocket socket) =>
        Encoding.UTF8.GetString((await socket.ReceiveAsync(CancellationToken.None).AsTask().WaitAsync(RawSockets.Patience)).Text.Span);

    private static async Task<string> ReadToEndAsync(Socket client)
    {
        var text = new StringBuilder();
        var buffer = new byte[4096];
        for (int read; (read = await client.ReceiveAsync(buffer).WaitAsync(RawSockets.Patience)) > 0;)
        {
            text.Append(Encoding.ASCII.GetString(buffer, 0, read));
        }

        return text.ToString();
    }

    private sealed class Errors : ILoggerProvider, ILogger
    {
        public ConcurrentQueue<string> Logged { get; } = [];

        public ILogger CreateLogger(string categoryName) => this;

        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => logLevel >= LogLevel.Warning;

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
        {
            // Of the server; what a handler of the test's throws is its own.
            if (IsEnabled(logLevel) && exception is not OperationCanceledException)
            {
                Logged.Enqueue($"{formatter(state, exception)} {exception}");
            }
        }

        public void Dispose()
        {
        }
    }
}
