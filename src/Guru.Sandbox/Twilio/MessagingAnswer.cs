using System.Xml;
using System.Xml.Linq;

namespace Guru.Sandbox.Twilio;

/// <summary>What the application answers when a message is delivered to it, as Twilio understands it.</summary>
/// <param name="Replies">What the person gets for it.</param>
/// <param name="Problem">What Twilio would log; null: nothing.</param>
sealed record MessagingAnswer(IReadOnlyList<string> Replies, (int Code, string Text)? Problem = null)
{
    private static MessagingAnswer Nothing { get; } = new([]);

    public static MessagingAnswer Read(int status, string? mediaType, string body)
    {
        if (status is < 200 or > 299)
        {
            return new([], (11200, $"The webhook answered {status}."));
        }

        if (string.IsNullOrWhiteSpace(body))
        {
            return Nothing;
        }

        try
        {
            return Execute(XDocument.Parse(body).Root!);
        }
        catch (XmlException exception)
        {
            // What says that it is XML is an error; anything else reaches the person as it stands.
            return mediaType is "text/xml" or "application/xml"
                ? new([], (12100, exception.Message))
                : new([body], (12300, $"The answer is no TwiML ({mediaType ?? "no content type"}), and went to the person."));
        }
    }

    private static MessagingAnswer Execute(XElement root)
    {
        if (root.Name != "Response")
        {
            return new([], (12100, $"<{root.Name}> is no <Response>."));
        }

        var unknown = root.Elements().FirstOrDefault(verb => verb.Name != "Message");
        return new(
            [.. root.Elements("Message").Select(message => (message.Element("Body")?.Value ?? message.Value).Trim()).Where(text => text.Length > 0)],
            unknown is null ? null : (12200, $"<{unknown.Name}> is no verb for messages."));
    }
}
