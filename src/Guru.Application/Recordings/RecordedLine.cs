using Guru.Application.Voice;

namespace Guru.Application.Recordings;

/// <summary>A line that is recorded: everything that passes is noted on its way.</summary>
internal sealed class RecordedLine(ICallerLine line, CallRecording recording) : ICallerLine
{
    public string StreamSid => line.StreamSid;

    public async Task ReadAsync(Receiver<LineMessage> receive, CancellationToken cancellationToken)
    {
        await line.ReadAsync(
            (in LineMessage message) =>
            {
                switch (message.Kind)
                {
                    case LineMessageKind.Media:
                        recording.Said(message.Payload.Span, message.TimestampMs);
                        break;
                    case LineMessageKind.Mark:
                        recording.Returns(message.Mark);
                        break;
                    case LineMessageKind.Stop:
                        recording.End();
                        break;
                }

                return receive(message);
            },
            cancellationToken);
        recording.End();
    }

    public void SendMedia(ReadOnlySpan<byte> payload, bool more = false)
    {
        recording.Sends(payload);
        line.SendMedia(payload, more);
    }

    public void SendMark(PlaybackMark mark, bool more = false)
    {
        recording.Marks(mark);
        line.SendMark(mark, more);
    }

    public void SendClear()
    {
        recording.Clears();
        line.SendClear();
    }

    public async Task CloseAsync(CancellationToken cancellationToken)
    {
        await line.CloseAsync(cancellationToken);
        recording.End();
    }

    public ValueTask DisposeAsync()
    {
        recording.End();
        return line.DisposeAsync();
    }
}
