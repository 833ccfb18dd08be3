using System.Globalization;
using System.Xml;
using System.Xml.Linq;
using Guru.Sandbox.Audio;

namespace Guru.Sandbox.Twilio;

/// <param name="Url">Where it came from: relative addresses in it start there.</param>
sealed record TwimlDocument(XElement Response, Uri? Url);

/// <summary>Runs TwiML, verb by verb.</summary>
public sealed partial class PlacedCall
{
    const int MaxDocumentBytes = 64 * 1024;

    /// <summary>How fast a sentence is said: about 15 characters a second.</summary>
    static readonly TimeSpan PerCharacter = TimeSpan.FromMilliseconds(66);

    /// <returns>The call's last status when a verb decided it, else null.</returns>
    async Task<string?> ExecuteAsync(TwimlDocument first)
    {
        var document = first;
        while (true)
        {
            var verbs = document.Response.Elements().ToList();
            TwimlDocument? next = null;
            for (var i = 0; i < verbs.Count && next is null; i++)
            {
                _over.Token.ThrowIfCancellationRequested();
                Events.Add(new VerbExecuted(Now, verbs[i].Name.LocalName));
                if (verbs[i].Name.LocalName == "Hangup")
                {
                    return null;
                }

                if (verbs[i].Name.LocalName == "Reject" && i == 0 && AnsweredAt is null)
                {
                    return (string?)verbs[i].Attribute("reason") == "busy" ? "busy" : "no-answer";
                }

                try
                {
                    next = await ExecuteAsync(verbs[i], document.Url);
                }
                catch (OperationCanceledException) when (!_over.IsCancellationRequested)
                {
                    next = await ReplacementAsync();
                }
            }

            if (next is null)
            {
                return null;
            }

            document = next;
        }
    }

    /// <returns>Another document when the verb leads to one.</returns>
    async Task<TwimlDocument?> ExecuteAsync(XElement verb, Uri? from)
    {
        switch (verb.Name.LocalName)
        {
            case "Say":
                await AnswerAsync();
                await SayAsync(verb);
                return null;
            case "Play":
                await AnswerAsync();
                await PlayAsync(verb, from);
                return null;
            case "Pause":
                await VerbTimeAsync(TimeSpan.FromSeconds((int?)verb.Attribute("length") ?? 1));
                return null;
            case "Redirect":
                return await FetchNextAsync(Absolute(verb.Value.Trim(), from), (string?)verb.Attribute("method"));
            case "Connect" when verb.Element("Stream") is { } stream:
                await AnswerAsync();
                return await ConnectAsync(verb, stream, from);
            case var unknown:
                Problem(12200, $"The sandbox does not know the verb {unknown}.");
                return null;
        }
    }

    async Task SayAsync(XElement verb)
    {
        var text = verb.Value.Trim();
        if (text.Length is 0 or > 4096)
        {
            Problem(13520, "The text of Say is empty or too long.");
            return;
        }

        for (var loop = Math.Max(1, (int?)verb.Attribute("loop") ?? 1); loop > 0; loop--)
        {
            Events.Add(new SentenceSaid(Now, text, (string?)verb.Attribute("voice"), (string?)verb.Attribute("language")));
            await VerbTimeAsync(text.Length * PerCharacter);
        }
    }

    async Task PlayAsync(XElement verb, Uri? from)
    {
        if (Absolute(verb.Value.Trim(), from) is not { } url)
        {
            Problem(11100, $"Play: '{verb.Value}' is no address.");
            return;
        }

        var (address, host) = _twilio.Route(url);
        using var request = new HttpRequestMessage(HttpMethod.Get, address) { Headers = { Host = host } };
        using var response = await _twilio.Http.SendAsync(request, _verbs.Token);
        var audio = response.IsSuccessStatusCode ? Wav.ReadMuLaw(await response.Content.ReadAsByteArrayAsync(_verbs.Token)) : null;
        if (audio is null)
        {
            Problem(11200, $"Play: {url} answered {(int)response.StatusCode}, or no WAV.");
            return;
        }

        Events.Add(new FilePlayed(Now, url, audio));
        await VerbTimeAsync(MuLaw.Duration(audio.Length));
    }

    async Task<TwimlDocument?> ConnectAsync(XElement connect, XElement stream, Uri? from)
    {
        var action = (string?)connect.Attribute("action");
        var url = (string?)stream.Attribute("url") ?? "";
        var parameters = stream.Elements("Parameter").ToDictionary(
            parameter => (string?)parameter.Attribute("name") ?? "", parameter => (string?)parameter.Attribute("value") ?? "",
                StringComparer.Ordinal);
        foreach (var (name, value) in parameters.Where(p => p.Key.Length + p.Value.Length >= 500))
        {
            Problem(12200, $"The parameter {name} is longer than 500 characters ({value.Length}).");
        }

        var end = await RunStreamAsync(url, stream, parameters, from);
        if (end == StreamEnd.CallOver)
        {
            EndCall();
            throw new OperationCanceledException(_over.Token);
        }

        if (end == StreamEnd.Replaced)
        {
            return await ReplacementAsync();
        }

        await Task.Delay(_options.Webhooks.ActionDelay, _verbs.Token);
        return action is null ? null : await FetchNextAsync(Absolute(action, from), (string?)connect.Attribute("method"));
    }

    async Task<TwimlDocument?> ReplacementAsync()
    {
        string? twiml;
        Uri? url;
        lock (_gate)
        {
            (twiml, url, _nextTwiml, _nextUrl) = (_nextTwiml, _nextUrl, null, null);
            _verbs.Dispose();
            _verbs = CancellationTokenSource.CreateLinkedTokenSource(_over.Token);
        }

        return twiml is not null ? Parse(twiml, _setup.VoiceUrl) : await FetchNextAsync(url, method: null);
    }

    Task VerbTimeAsync(TimeSpan length) => Task.Delay(length / _twilio.Options.VerbSpeed, _verbs.Token);

    TwimlDocument? Parse(string text, Uri? url)
    {
        Events.Add(new TwimlReceived(Now, text));
        if (text.Length > MaxDocumentBytes)
        {
            Problem(11750, "The TwiML is larger than 64 kB.");
            return null;
        }

        try
        {
            var root = XDocument.Parse(text).Root!;
            if (root.Name.LocalName == "Response")
            {
                return new TwimlDocument(root, url);
            }

            Problem(12100, $"The root is {root.Name.LocalName}, not Response.");
        }
        catch (XmlException exception)
        {
            Problem(12100, exception.Message);
        }

        return null;
    }

    static Uri? Absolute(string address, Uri? from) =>
        from is not null && Uri.TryCreate(from, address, out var relative) ? relative
        : Uri.TryCreate(address, UriKind.Absolute, out var absolute) ? absolute
        : null;

    void Problem(int code, string text) => Events.Add(new ProblemLogged(Now, code, text));

    static string Number(long number) => number.ToString(CultureInfo.InvariantCulture);
}
