using System.Net;
using System.Net.Http.Headers;
using System.Text;
using System.Text.Json.Nodes;

namespace Guru.Sandbox.Tests.Twilio;

/// <summary>An application's requests to Twilio.</summary>
sealed class TwilioClient : IDisposable
{
    public const string Account = "AC00000000000000000000000000000001";
    public const string Ama = "whatsapp:+233201234567";
    public const string Sender = "whatsapp:+15005550006";

    private readonly HttpClient _http;

    public TwilioClient(Uri twilio)
    {
        // Redirects are looked at, not followed.
        _http = new HttpClient(new SocketsHttpHandler { AllowAutoRedirect = false }) { BaseAddress = twilio };
        _http.DefaultRequestHeaders.Authorization = Credentials;
    }

    public static AuthenticationHeaderValue Credentials { get; } =
        new("Basic", Convert.ToBase64String(Encoding.UTF8.GetBytes($"{Account}:{TinyApp.Token}")));

    public Task<(HttpStatusCode Status, JsonNode Body, HttpResponseHeaders Headers)> SendAsync(string body, Uri? callback = null) =>
        PostAsync([("To", Ama), ("From", Sender), ("Body", body), .. callback is null ? [] : new[] { ("StatusCallback", callback.ToString()) }]);

    public async Task<(HttpStatusCode Status, JsonNode Body, HttpResponseHeaders Headers)> PostAsync(
        IEnumerable<(string Name, string Value)> fields, CancellationToken cancellationToken = default)
    {
        using var form = new FormUrlEncodedContent(fields.Select(field => KeyValuePair.Create(field.Name, field.Value)));
        using var response = await _http.PostAsync(
            new Uri($"/2010-04-01/Accounts/{Account}/Messages.json", UriKind.Relative), form, cancellationToken);
        return (response.StatusCode, JsonNode.Parse(await response.Content.ReadAsStringAsync(cancellationToken))!, response.Headers);
    }

    /// <summary>The bodies on every page, and how many pages there were.</summary>
    public async Task<(List<string> Bodies, int Pages)> ListAsync(string query)
    {
        List<string> bodies = [];
        var pages = 0;
        for (var next = $"/2010-04-01/Accounts/{Account}/Messages.json?{query}"; next is not null; pages++)
        {
            var page = JsonNode.Parse(await _http.GetStringAsync(new Uri(next, UriKind.Relative)))!;
            bodies.AddRange(page["messages"]!.AsArray().Select(message => (string)message!["body"]!));
            next = (string?)page["next_page_uri"];
        }

        return (bodies, pages);
    }

    public async Task<HttpResponseMessage> GetAsync(Uri url, bool withCredentials)
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, url);
        using var anonymous = new HttpClient(new SocketsHttpHandler { AllowAutoRedirect = false });
        return await (withCredentials ? _http : anonymous).SendAsync(request);
    }

    public void Dispose() => _http.Dispose();
}
