using System.Buffers;
using Guru.Application.Voice;
using Guru.Application.VoiceSessions;
using Guru.Domain.Calls;
using Guru.Infrastructure.Sockets;
using Microsoft.Extensions.Logging;

namespace Guru.Infrastructure.OpenAI;

/// <summary>
/// Opens sessions of OpenAI's Realtime API: connects, waits for session.created, sends the configuration, and waits for
/// session.updated. Only a session that echoes G.711 mu-law both ways is handed out: any other would be static in the caller's ear.
/// </summary>
internal sealed partial class RealtimeDialer(OpenAIOptions options, TimeProvider time, ILogger<RealtimeDialer> logger) : IVoiceModelDialer
{
    private const string ConfigurationEventId = "session-0";

    /// <summary>The vendor's limit, for a session that does not say when it expires.</summary>
    private static readonly TimeSpan SessionLimit = TimeSpan.FromMinutes(60);

    /// <summary>An item that is asked for again comes with its sound, 64 kB of text a second whatever the line's format: this is four minutes.</summary>
    private const int SidebandMessageBytes = 16 * 1024 * 1024;

    public async Task<IVoiceModel> DialAsync(VoiceConfiguration configuration, string safetyIdentifier, CancellationToken cancellationToken)
    {
        var started = time.GetTimestamp();
        var address = Address(options.BaseUrl, "model", configuration.Model);
        var socket = new JsonSocket(await ConnectAsync(address, safetyIdentifier, cancellationToken), Limits(), time);
        try
        {
            var model = await ConfigureAsync(socket, configuration, cancellationToken);
            var took = time.GetElapsedTime(started);
            WireMetrics.ModelDial.Record(took.TotalSeconds);
            LogDialled(model.SessionId, (long)took.TotalMilliseconds);
            return model;
        }
        catch
        {
            await socket.DisposeAsync();
            throw;
        }
    }

    /// <summary>Attaches to a call between a browser and the model. Its session is configured, and outlives this connection.</summary>
    /// <exception cref="VoiceModelException">As for a dial; the call may be over.</exception>
    public async Task<IVoiceModel> AttendAsync(CallSid callSid, CancellationToken cancellationToken)
    {
        try
        {
            var socket = await ConnectAsync(Address(options.BaseUrl, "call_id", callSid.Value), safetyIdentifier: null, cancellationToken);
            var limits = Limits() with { MaxMessageBytes = Math.Max(options.MaxMessageBytes, SidebandMessageBytes) };
            return new RealtimeModel(new JsonSocket(socket, limits, time), callSid.Value, time.GetUtcNow() + SessionLimit, CallChannel.Webapp);
        }
        catch (VoiceModelException e) when (e.Status is 404 or 410)
        {
            throw new VoiceModelException(VoiceModelException.CallOver, transient: false, e);
        }
    }

    /// <summary><c>https://host/v1</c> becomes <c>wss://host/v1/realtime</c>, with one query member: the model, or the call.</summary>
    internal static Uri Address(Uri baseUrl, string member, string value)
    {
        var address = new UriBuilder(baseUrl) { Scheme = baseUrl.Scheme is "https" or "wss" ? "wss" : "ws" };
        address.Path = address.Path.TrimEnd('/') + "/realtime";
        address.Query = $"{member}={Uri.EscapeDataString(value)}";
        address.Port = baseUrl.IsDefaultPort ? -1 : baseUrl.Port;
        return address.Uri;
    }

    private async Task<WebSocketConnection> ConnectAsync(Uri address, string? safetyIdentifier, CancellationToken cancellationToken)
    {
        using var request = WebSocketDial.Request(address);
        request.Headers.Add("Authorization", "Bearer " + options.ApiKey);
        if (safetyIdentifier is not null)
        {
            request.Headers.Add("OpenAI-Safety-Identifier", safetyIdentifier);
        }

        using var limit = new CancellationTokenSource(options.ConnectTimeout, time);
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(limit.Token, cancellationToken);
        try
        {
            return await WebSocketDial.DialAsync(
                request, options.ConnectTimeout, async (response, token) => await RealtimeRefusals.OfAsync(response, time, token), patience.Token);
        }
        catch (Exception e) when (e is not VoiceModelException)
        {
            cancellationToken.ThrowIfCancellationRequested();
            throw new VoiceModelException(limit.IsCancellationRequested ? "timeout" : "unreachable", transient: true, e);
        }
    }

    private async Task<RealtimeModel> ConfigureAsync(JsonSocket socket, VoiceConfiguration configuration, CancellationToken cancellationToken)
    {
        using var limit = new CancellationTokenSource(options.ConfigureTimeout, time);
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(limit.Token, cancellationToken);
        try
        {
            var created = await WaitForAsync(RealtimeGreeting.Created, socket, patience.Token);
            var update = new ArrayBufferWriter<byte>(4096);
            RealtimeWriter.WriteSessionUpdate(update, configuration, ConfigurationEventId);
            socket.Send(update.WrittenSpan);

            var updated = await WaitForAsync(RealtimeGreeting.Updated, socket, patience.Token);
            if (!updated.IsMuLaw)
            {
                throw new VoiceModelException("wrong_audio_format", transient: false);
            }

            return new RealtimeModel(
                socket,
                created.Id ?? updated.Id ?? $"session-{Guid.NewGuid():N}",
                created.ExpiresAt ?? updated.ExpiresAt ?? time.GetUtcNow() + SessionLimit);
        }
        catch (OperationCanceledException e) when (!cancellationToken.IsCancellationRequested)
        {
            throw new VoiceModelException("timeout", transient: true, e);
        }
    }

    private static async Task<RealtimeSession> WaitForAsync(RealtimeGreeting awaited, JsonSocket socket, CancellationToken cancellationToken)
    {
        while (true)
        {
            var received = await socket.ReceiveAsync(cancellationToken);
            switch (received.Kind)
            {
                case SocketMessageKind.End:
                    throw RealtimeRefusals.OfClose(socket.Ending!);
                case SocketMessageKind.Binary:
                    continue;
            }

            // A bad key or model may be told by an error on a socket that was accepted; no error at this point leaves a session to use.
            var greeting = RealtimeSession.Read(received.Text, out var session, out var errorType, out var errorCode);
            if (greeting == RealtimeGreeting.Error)
            {
                throw RealtimeRefusals.OfError(errorType, errorCode);
            }

            if (greeting == awaited)
            {
                return session;
            }
        }
    }

    private JsonSocketOptions Limits() => new()
    {
        MaxMessageBytes = options.MaxMessageBytes,
        MaxQueuedBytes = options.MaxQueuedBytes,
        CloseTimeout = options.CloseTimeout,
        KeepAliveInterval = options.KeepAliveInterval,
        KeepAliveTimeout = options.KeepAliveTimeout,
    };

    // A refusal is logged where it is known which call it was for, and so is a session that a call uses.
    [LoggerMessage(Level = LogLevel.Debug, Message = "Voice model session {SessionId} ready after {Milliseconds} ms.")]
    private partial void LogDialled(string sessionId, long milliseconds);
}
