using System.Text.Json;
using System.Text.Json.Nodes;
using Guru.Application.Calling;
using Guru.Application.Conversations;
using Microsoft.Extensions.Logging.Abstractions;

namespace Guru.Infrastructure.Twilio;

/// <summary>The templates of calling back at Twilio's Content API: made once, found again by their names, and submitted for WhatsApp's approval.</summary>
public sealed class TwilioContents(TwilioOptions twilio, MessengerOptions options, IFixedTexts texts, TimeProvider time) : IDisposable
{
    private const int MostPages = 50;

    private readonly TwilioRest _rest = new(twilio, options, time, NullLogger.Instance); // Whoever makes templates is told by the exception.

    /// <summary>Makes the template unless it is there, and submits it.</summary>
    /// <exception cref="MessengerException">Twilio did not do it.</exception>
    public async Task<Template> CreateAsync(TemplateKind kind, string language, CancellationToken cancellationToken)
    {
        var (name, body) = (NameOf(kind, language), texts.Of(TextOf(kind), language));
        var sid = await FindAsync(name, cancellationToken) ?? await MakeAsync(kind, name, language, body, cancellationToken);
        await SubmitAsync(sid, name, cancellationToken);
        return new Template(kind, language, sid, body);
    }

    /// <summary>WhatsApp's word on a template, such as received, approved or rejected.</summary>
    /// <exception cref="MessengerException">It could not be asked.</exception>
    public async Task<string> ApprovalAsync(string contentSid, CancellationToken cancellationToken) =>
        (await _rest.GetAsync(_rest.Hosts.Content($"/v1/Content/{contentSid}/ApprovalRequests"), cancellationToken)).At("whatsapp").Text("status") ?? "unknown";

    public void Dispose() => _rest.Dispose();

    private async Task<string?> FindAsync(string name, CancellationToken cancellationToken)
    {
        Uri? next = _rest.Hosts.Content("/v1/Content?PageSize=100");
        for (var page = 0; next is not null && page < MostPages; page++)
        {
            var answer = await _rest.GetAsync(next, cancellationToken);
            if (answer.At("contents") is { ValueKind: JsonValueKind.Array } contents
                && contents.EnumerateArray().FirstOrDefault(content => content.Text("friendly_name") == name).Text("sid") is { } sid)
            {
                return sid;
            }

            next = Uri.TryCreate(answer.At("meta").Text("next_page_url"), UriKind.Absolute, out var address) ? _rest.Hosts.Content(address.PathAndQuery) : null;
        }

        return null;
    }

    private async Task<string> MakeAsync(TemplateKind kind, string name, string language, string body, CancellationToken cancellationToken)
    {
        var (type, action, button, words) = kind == TemplateKind.PermissionRequest
            ? ("twilio/call-to-action", "VOICE_CALL_REQUEST", FixedText.PermissionButton, "body")
            : ("twilio/card", "VOICE_CALL", FixedText.CallCardButton, "title");
        var content = new JsonObject
        {
            ["friendly_name"] = name,
            ["language"] = language,
            ["types"] = new JsonObject
            {
                [type] = new JsonObject
                {
                    [words] = body,
                    ["actions"] = new JsonArray(new JsonObject { ["type"] = action, ["title"] = texts.Of(button, language) }),
                },
            },
        };
        var made = await _rest.PostJsonAsync(_rest.Hosts.Content("/v1/Content"), content, cancellationToken);
        return made.Text("sid") ?? throw TwilioRefusals.OfNoSid();
    }

    private async Task SubmitAsync(string sid, string name, CancellationToken cancellationToken)
    {
        if (await ApprovalAsync(sid, cancellationToken) is "unsubmitted" or "unknown")
        {
            var request = new JsonObject { ["name"] = name, ["category"] = "UTILITY" };
            await _rest.PostJsonAsync(_rest.Hosts.Content($"/v1/Content/{sid}/ApprovalRequests/whatsapp"), request, cancellationToken);
        }
    }

    private static FixedText TextOf(TemplateKind kind) => kind == TemplateKind.PermissionRequest ? FixedText.PermissionRequest : FixedText.CallCard;

    /// <summary>Lowercase letters, digits and underscores, as WhatsApp wants it.</summary>
    private static string NameOf(TemplateKind kind, string language) => $"guru_{(kind == TemplateKind.PermissionRequest ? "call_permission_request" : "call_us")}_{language}";
}
