using System.Collections.Immutable;
using Guru.Sandbox.Audio;
using Guru.Sandbox.OpenAI;
using Guru.Sandbox.Twilio;

namespace Guru.Sandbox.Scenarios;

/// <summary>Messages: what a person writes before, between and after calls.</summary>
public static partial class ScenarioFile
{
    private static readonly string[] MessageChannels = ["whatsapp", "voiceNote", "call", "webapp"];

    private static ImmutableList<MessageStep> Messages(YamlMap file, CallOptions call)
    {
        ImmutableList<MessageStep> steps = [.. file.Maps("messages").Select(step => Step(step, call)).OfType<MessageStep>()];
        if (file.Has("messages") && file.Has("caller") && !steps.Exists(step => step is PersonCalls { Call: null }))
        {
            file.Mistake("'caller' is there, and no step of 'messages' places the call: {call: true}.");
        }

        if (steps.Count(step => step is PersonCalls { Call: null }) > 1)
        {
            file.Mistake("'call: true' is the call of the scenario, once; a further call is written out: {call: {caller: [...], expect: {...}}}.");
        }

        return steps;
    }

    private static MessageStep? Step(YamlMap step, CallOptions call)
    {
        MessageStep?[] steps =
        [
            Written(step, call.From),
            step.Has("waitForReply") ? new PersonWaits(
                step.Text("waitForReply") is "any" ? null : step.Text("waitForReply"), TimeSpan.FromSeconds(step.Number("atMostSeconds") ?? 20)) : null,
            Called(step, call),
            step.Ms("pauseMs") is { } pause ? new Pause(pause) : null,
            step.Number("hoursPass") is { } hours ? new TimePasses(TimeSpan.FromHours(hours)) : null,
        ];
        step.Number("atMostSeconds");
        step.Done();
        if (steps.OfType<MessageStep>().ToList() is [var only])
        {
            return only;
        }

        step.Mistake(
            "A step of 'messages' is one of: write, voiceNote, image, document, location, button, waitForReply, call, pauseMs, hoursPass.");
        return null;
    }

    private static PersonWrites? Written(YamlMap step, string from)
    {
        var profile = step.Text("profileName");
        var externalId = step.Text("externalUserId");
        var deliveries = step.Integer("deliveries") ?? 1;
        var atOnce = step.Flag("atOnce") ?? false;
        var payload = step.Text("payload");
        List<InboundMessage> messages = [.. step.TextOrTexts("write").Select(InboundMessage.Text)];
        if (step.Text("voiceNote") is { } sample)
        {
            messages.Add(VoiceNote(step, sample));
        }

        if (step.Text("image") is { } image)
        {
            messages.Add(new InboundMessage { Kind = MessageKind.Image, Caption = image });
        }

        if (step.Text("document") is { } document)
        {
            messages.Add(new InboundMessage { Kind = MessageKind.Document, Caption = document });
        }

        if (step.Text("button") is { } button)
        {
            messages.Add(new InboundMessage { Kind = MessageKind.ButtonReply, ButtonText = button, ButtonPayload = payload ?? button });
        }

        if (step.Map("location") is { } location)
        {
            messages.Add(new InboundMessage
            {
                Kind = MessageKind.Location, Latitude = location.Number("latitude") ?? 0, Longitude = location.Number("longitude") ?? 0,
                Label = location.Text("label"), Address = location.Text("address"),
            });
            location.Done();
        }

        foreach (var message in messages.Where(message => message.Body.Length > 1600))
        {
            step.Mistake($"Twilio hands on at most 1600 characters of a message; \"{message.Body[..20]}…\" has {message.Body.Length}.");
        }

        return messages.Count == 0 ? null : new PersonWrites([.. messages.Select(message => message with
        {
            From = from, ProfileName = profile ?? message.ProfileName, ExternalUserId = externalId, Deliveries = deliveries, DeliveriesAtOnce = atOnce,
        })]);
    }

    private static InboundMessage VoiceNote(YamlMap step, string sample)
    {
        if (SampleLibrary.Shipped.Find(sample) is not { Speaker: "caller" })
        {
            step.Mistake($"'{sample}' is no line of a caller. There are: {CallerLines()}.");
        }

        return InboundMessage.VoiceNote(sample);
    }

    private static PersonCalls? Called(YamlMap step, CallOptions call)
    {
        if (!step.Has("call"))
        {
            return null;
        }

        if (!step.IsMap("call"))
        {
            return step.Flag("call") == true ? new PersonCalls(Call: null) : null;
        }

        var further = step.Map("call")!;
        var read = new ScenarioCall(Call(further) with { From = call.From, AtMost = call.AtMost }, Expectations(further, placesCall: true));
        further.Done();
        return new PersonCalls(read);
    }

    private static MessageFaults Faults(YamlMap file)
    {
        var delivery = file.Text("delivery");
        DeliveryPlan? plan = delivery switch
        {
            null or "inOrder" => DeliveryPlan.InOrder,
            "shuffled" => DeliveryPlan.Shuffled,
            "repeated" => DeliveryPlan.Repeated,
            "blocked" => DeliveryPlan.Blocked,
            _ => null,
        };
        if (plan is null)
        {
            file.Mistake($"'{delivery}' is no delivery: inOrder, shuffled, repeated or blocked.");
        }

        return new MessageFaults
        {
            Rest = [.. file.Maps("rest").Select(Rest)],
            Text = [.. file.Maps("text").Select(TextFault)],
            Delivery = plan ?? DeliveryPlan.InOrder,
            FailedDeliveries = [.. file.Texts("failedDeliveries").Select(code => ErrorCode(file, code))],
        };
    }

    private static int ErrorCode(YamlMap file, string code)
    {
        if (int.TryParse(code, System.Globalization.CultureInfo.InvariantCulture, out var number))
        {
            return number;
        }

        file.Mistake($"'{code}' is no error code of Twilio's, such as 63016.");
        return 0;
    }

    private static RestFault Rest(YamlMap fault)
    {
        var resource = fault.Text("resource") ?? "Messages";
        if (resource is not ("Calls" or "Messages" or "Media" or "Indicators"))
        {
            fault.Mistake($"'{resource}' is no resource of Twilio's: Calls, Messages, Media or Indicators.");
        }

        var read = new RestFault(resource, fault.Integer("status") ?? 500, fault.Integer("code") ?? 20500)
        {
            Method = fault.Text("method"),
            Executed = fault.Flag("executed") ?? false,
            NeverAnswers = fault.Flag("neverAnswers") ?? false,
            BreaksConnection = fault.Flag("breaksConnection") ?? false,
            RetryAfter = fault.Number("retryAfterSeconds") is { } seconds ? TimeSpan.FromSeconds(seconds) : null,
            Times = fault.Integer("times") ?? 1,
        };
        fault.Done();
        return read;
    }

    private static HttpFault TextFault(YamlMap fault)
    {
        var (of, given) = (fault.Text("of"), fault.Text("answer"));
        if (of is not (null or "routing" or "replies"))
        {
            fault.Mistake($"'{of}' is no kind of request: routing or replies.");
        }

        var answer = AnswerFault.None;
        if (given is not null && !Enum.TryParse(given, ignoreCase: true, out answer))
        {
            fault.Mistake($"'{given}' is no answer of the model. There are: {string.Join(", ", Enum.GetNames<AnswerFault>().Select(Camel))}.");
        }

        var read = new HttpFault(
            fault.Text("path") ?? "/v1/responses", fault.Integer("status") ?? (given is null ? 503 : 200), fault.Text("code") ?? "server_is_overloaded",
            fault.Number("retryAfterSeconds") is { } seconds ? TimeSpan.FromSeconds(seconds) : null, fault.Ms("delayMs") ?? TimeSpan.Zero)
        {
            Answer = answer,
            NeverAnswers = fault.Flag("neverAnswers") ?? false,
            Times = fault.Integer("times") ?? 1,
        };
        fault.Done();
        return of switch { "routing" => read.OfRouting(), "replies" => read.OfReplies(), _ => read };
    }

    private static ConversationExpectations? Conversation(YamlMap expect)
    {
        var read = new ConversationExpectations
        {
            Replies = expect.Has("replies") ? [.. expect.Maps("replies").Select(Reply)] : null,
            Timeline = expect.Has("timeline") ? [.. expect.Maps("timeline").Select(Entry)] : null,
            Language = expect.Text("language"),
            Agent = expect.Text("agent"),
        };
        return read == new ConversationExpectations() ? null : read;
    }

    private static ExpectedReply Reply(YamlMap reply)
    {
        var read = new ExpectedReply(reply.Required("text"), reply.Flag("optional") ?? false);
        reply.Done();
        return read;
    }

    private static ExpectedMessage Entry(YamlMap entry)
    {
        var (channel, speaker) = (entry.Required("channel"), entry.Required("speaker"));
        if (channel.Length > 0 && !MessageChannels.Contains(channel))
        {
            entry.Mistake($"'{channel}' is no channel. There are: {string.Join(", ", MessageChannels)}.");
        }

        if (speaker is not ("caller" or "agent" or ""))
        {
            entry.Mistake($"'{speaker}' writes no messages: the speaker is caller or agent.");
        }

        var read = new ExpectedMessage(channel, speaker, entry.Text("text"), entry.Text("agent"), entry.Flag("optional") ?? false);
        entry.Done();
        return read;
    }

    private static string CallerLines() =>
        string.Join(", ", SampleLibrary.Shipped.All.Where(sample => sample.Speaker == "caller").Select(sample => sample.Id));

    private static string Camel(string name) => char.ToLowerInvariant(name[0]) + name[1..];
}
