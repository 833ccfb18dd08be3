using System.Diagnostics;
using System.Globalization;
using System.Net;

namespace Guru.Sandbox.Twilio;

/// <summary>Signed requests to the application, with the time limits and retries of an untouched configuration.</summary>
public sealed partial class PlacedCall
{
    const int MaxRedirects = 10;

    int _statusSequence;

    async Task<TwimlDocument?> FetchFirstAsync()
    {
        var url = _setup.VoiceUrl!;
        var token = Guid.NewGuid().ToString();
        var status = _setup.Direction == "inbound" ? "ringing" : "in-progress";
        var answer = FetchAsync(url, HttpMethod.Post, status, token);
        if (_options.Webhooks.DuplicateWebhook)
        {
            await Task.WhenAll(answer, FetchAsync(url, HttpMethod.Post, status, token));
        }

        return await answer ?? (_setup.FallbackUrl is { } fallback
            ? await FetchAsync(fallback, HttpMethod.Post, status, Guid.NewGuid().ToString()) : null);
    }

    async Task<TwimlDocument?> FetchNextAsync(Uri? url, string? method)
    {
        if (url is null)
        {
            Problem(11100, "The next TwiML has no valid address.");
            return null;
        }

        var token = Guid.NewGuid().ToString();
        var verb = method == "GET" ? HttpMethod.Get : HttpMethod.Post;
        var next = FetchAsync(url, verb, "in-progress", token);
        if (_options.Webhooks.DuplicateAction)
        {
            await Task.WhenAll(next, FetchAsync(url, verb, "in-progress", token));
        }

        return await next;
    }

    async Task<TwimlDocument?> FetchAsync(Uri url, HttpMethod method, string status, string idempotencyToken)
    {
        using var response = await SendAsync(url, method, Parameters(status), idempotencyToken, redirects: MaxRedirects);
        if (response is null)
        {
            Problem(11205, $"{url}: no connection.");
            return null;
        }

        if (!response.IsSuccessStatusCode)
        {
            Problem(11200, $"{url} answered {(int)response.StatusCode}.");
            return null;
        }

        if (response.Content.Headers.ContentType?.MediaType is not ("text/xml" or "application/xml" or "text/html"))
        {
            Problem(12300, $"{url}: the content type {response.Content.Headers.ContentType?.MediaType ?? "(none)"} is no TwiML.");
            return null;
        }

        return Parse(await response.Content.ReadAsStringAsync(_over.Token), url);
    }

    Dictionary<string, string> Parameters(string status)
    {
        var parameters = new Dictionary<string, string>(StringComparer.Ordinal)
        {
            ["AccountSid"] = _twilio.Options.AccountSid,
            ["ApiVersion"] = "2010-04-01",
            ["CallSid"] = CallSid,
            ["CallStatus"] = status,
            ["Called"] = _setup.To,
            ["Caller"] = _setup.From,
            ["Direction"] = _setup.Direction,
            ["From"] = _setup.From,
            ["To"] = _setup.To,
        };
        foreach (var (name, value) in _options.ExtraParameters)
        {
            parameters[name] = value;
        }

        return parameters;
    }

    Task SendStatusAsync(string subscription, string status) =>
        _setup.StatusEvents.Contains(subscription) ? PostStatusAsync(status) : Task.CompletedTask;

    async Task SendFinalStatusAsync(string status)
    {
        if (!_setup.StatusEvents.Contains("completed"))
        {
            return;
        }

        string[] statuses = _options.Webhooks.ShuffledStatus ? [status, "in-progress", "ringing"] : [status];
        if (_options.Webhooks.Seed is { } seed)
        {
            new Random(seed).Shuffle(statuses);
            await Task.WhenAll(statuses.Select(PostStatusAsync));
            return;
        }

        foreach (var one in statuses)
        {
            await PostStatusAsync(one);
        }
    }

    async Task PostStatusAsync(string status)
    {
        if (_setup.StatusUrl is not { } url)
        {
            return;
        }

        var parameters = Parameters(status);
        parameters["CallbackSource"] = "call-progress-events";
        parameters["SequenceNumber"] = Number(_statusSequence++);
        parameters["Timestamp"] = _twilio.Clock.GetUtcNow().ToString("ddd, dd MMM yyyy HH:mm:ss +0000", CultureInfo.InvariantCulture);
        if (EndedAt is { } endedAt)
        {
            var seconds = AnsweredAt is { } answeredAt ? (long)Math.Ceiling((endedAt - answeredAt).TotalSeconds) : 0;
            parameters["CallDuration"] = Number(seconds);
            parameters["Duration"] = Number((seconds + 59) / 60);
            parameters["SipResponseCode"] = status switch { "completed" => "200", "busy" => "486", "failed" => "404", _ => "487" };
        }

        var first = DeliverAsync();
        if (_options.Webhooks.Seed is null)
        {
            await first;
        }

        await (_options.Webhooks.DuplicateStatus ? Task.WhenAll(first, DeliverAsync()) : first);

        async Task DeliverAsync()
        {
            using var response = await SendAsync(url, _setup.StatusMethod, parameters, Guid.NewGuid().ToString(), redirects: 0);
        }
    }

    /// <returns>Null when there was no answer in time.</returns>
    async Task<HttpResponseMessage?> SendAsync(Uri url, HttpMethod method, Dictionary<string, string> parameters, string idempotencyToken,
        int redirects)
    {
        var target = method == HttpMethod.Get ? WithQuery(url, parameters) : url;
        var started = Stopwatch.GetTimestamp();
        var response = await Webhook.SendAsync(_twilio, target, method, parameters, idempotencyToken, voice: true);
        Events.Add(new WebhookSent(Now, target, (int?)response?.StatusCode ?? 0, Stopwatch.GetElapsedTime(started), parameters));
        if (redirects > 0 && (int?)response?.StatusCode is >= 300 and < 400 && response.Headers.Location is { } location)
        {
            // 301 and 302 turn a POST into a GET and lose the parameters.
            var keeps = response.StatusCode is HttpStatusCode.TemporaryRedirect or HttpStatusCode.PermanentRedirect;
            response.Dispose();
            return await SendAsync(new Uri(target, location), keeps ? method : HttpMethod.Get, keeps ? parameters : [],
                idempotencyToken, redirects - 1);
        }

        return response;
    }

    static Uri WithQuery(Uri url, Dictionary<string, string> parameters)
    {
        var query = string.Join('&', parameters.Select(p => $"{Uri.EscapeDataString(p.Key)}={Uri.EscapeDataString(p.Value)}"));
        return query.Length == 0 ? url : new Uri(url.GetLeftPart(UriPartial.Query) + (url.Query.Length > 0 ? "&" : "?") + query);
    }
}
