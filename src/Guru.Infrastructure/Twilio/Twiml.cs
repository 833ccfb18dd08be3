using System.Globalization;
using System.Text;
using System.Xml;

namespace Guru.Infrastructure.Twilio;

/// <summary>What a call is told to do next. Built by <see cref="Twiml.Document"/>, top to bottom.</summary>
public abstract record TwimlVerb
{
    internal abstract void Write(XmlWriter xml);
}

/// <param name="Voice">Null for the account's own.</param>
public sealed record Say(string? Voice, string Language, string Text) : TwimlVerb
{
    private const int MaxLength = 4096;

    internal override void Write(XmlWriter xml)
    {
        if (string.IsNullOrWhiteSpace(Text) || Text.Length > MaxLength)
        {
            throw new ArgumentException($"Twilio says between 1 and {MaxLength} characters, not {Text.Length}.");
        }

        xml.WriteStartElement("Say");
        if (Voice is not null)
        {
            xml.WriteAttributeString("voice", Voice);
        }

        xml.WriteAttributeString("language", Language);
        xml.WriteString(Twiml.Clean(Text));
        xml.WriteEndElement();
    }
}

public sealed record Play(string Url) : TwimlVerb
{
    internal override void Write(XmlWriter xml) => xml.WriteElementString("Play", Url);
}

public sealed record Hangup : TwimlVerb
{
    internal override void Write(XmlWriter xml)
    {
        xml.WriteStartElement("Hangup");
        xml.WriteEndElement();
    }
}

/// <summary>Blocks while the stream's socket is open, then asks the action URL what to do.</summary>
public sealed record Connect(string Action, MediaStreamNoun Stream) : TwimlVerb
{
    internal override void Write(XmlWriter xml)
    {
        xml.WriteStartElement("Connect");
        xml.WriteAttributeString("action", Action);
        xml.WriteAttributeString("method", "POST");
        Stream.Write(xml);
        xml.WriteEndElement();
    }
}

/// <param name="Url">Absolute; ws:// only serves stand-ins. Twilio refuses one with a query.</param>
/// <param name="Parameters">Come back in the stream's start.</param>
public sealed record MediaStreamNoun(string Url, IReadOnlyList<KeyValuePair<string, string>> Parameters)
{
    private const int MaxParameterLength = 499;

    internal void Write(XmlWriter xml)
    {
        if (!Url.StartsWith("wss://", StringComparison.Ordinal) && !Url.StartsWith("ws://", StringComparison.Ordinal))
        {
            throw new ArgumentException("A stream's address starts with wss://.");
        }

        if (Url.AsSpan().IndexOfAny('?', '#') >= 0)
        {
            throw new ArgumentException("A stream's address has no query: Twilio refuses it (31920).");
        }

        xml.WriteStartElement("Stream");
        xml.WriteAttributeString("url", Url);
        foreach (var (name, value) in Parameters)
        {
            if (name.Length + value.Length > MaxParameterLength)
            {
                throw new ArgumentException($"The stream parameter {name} is longer than Twilio takes.");
            }

            xml.WriteStartElement("Parameter");
            xml.WriteAttributeString("name", name);
            xml.WriteAttributeString("value", Twiml.Clean(value));
            xml.WriteEndElement();
        }

        xml.WriteEndElement();
    }
}

public static class Twiml
{
    public const string ContentType = "application/xml; charset=utf-8";

    /// <summary>Twilio's bound on a document, in bytes.</summary>
    public const int MaxBytes = 64 * 1024;

    private static readonly XmlWriterSettings Settings = new() { Encoding = new UTF8Encoding(encoderShouldEmitUTF8Identifier: false) };

    /// <exception cref="ArgumentException">Twilio would refuse it.</exception>
    public static string Document(params ReadOnlySpan<TwimlVerb> verbs)
    {
        using var bytes = new MemoryStream();
        using (var xml = XmlWriter.Create(bytes, Settings))
        {
            xml.WriteStartElement("Response");
            foreach (var verb in verbs)
            {
                verb.Write(xml);
            }

            xml.WriteEndElement();
        }

        return bytes.Length <= MaxBytes
            ? Encoding.UTF8.GetString(bytes.GetBuffer().AsSpan(0, (int)bytes.Length))
            : throw new ArgumentException(string.Create(CultureInfo.InvariantCulture, $"A document of {bytes.Length} bytes is longer than Twilio takes."));
    }

    /// <summary>Leaves out what XML cannot hold, such as control characters.</summary>
    internal static string Clean(string text)
    {
        var clean = new StringBuilder(text.Length);
        for (var i = 0; i < text.Length; i++)
        {
            if (char.IsSurrogate(text[i]))
            {
                if (i + 1 < text.Length && char.IsSurrogatePair(text[i], text[i + 1]))
                {
                    clean.Append(text[i]).Append(text[++i]);
                }
            }
            else if (XmlConvert.IsXmlChar(text[i]))
            {
                clean.Append(text[i]);
            }
        }

        return clean.ToString();
    }
}
