using FsCheck;
using FsCheck.Fluent;
using Guru.Domain.Calls;
using Guru.Domain.Conversations;
using Shouldly;

namespace Guru.Domain.Tests.Conversations;

/// <summary>What holds whatever people, operators, the carrier and dying nodes do, in any order. The seed is fixed; to search further, change it.</summary>
public sealed class EveryCourseOfConsent : ConsentSpec
{
    private const int Requests = 6;
    private static readonly Config Tried = Config.QuickThrowOnFailure.WithMaxTest(3000).WithStartSize(10).WithEndSize(150).WithReplay(20260102, 30405);
    private static readonly Arbitrary<int[]> Scripts = Arb.From(Gen.Choose(0, 1_000_000).ArrayOf(), Shorter);

    [Fact]
    public void Allows_and_places_no_call_without_a_live_permission() => ForEvery(events =>
    {
        for (var index = 0; index < events.Count; index++)
        {
            var before = events.Take(index).ToList();
            if (events[index] is OutboundCallAllowed allowed)
            {
                LivePermission(before, allowed.At)?.GrantId.ShouldBe(allowed.AllowedBy);
                LivePermission(before, allowed.At).ShouldNotBeNull();
            }
            else if (events[index] is OutboundCallPlaced placed)
            {
                before.OfType<OutboundCallAllowed>().ShouldContain(allowed => allowed.RequestId == placed.RequestId && allowed.AllowedBy == placed.AllowedBy);
            }
        }
    });

    [Fact]
    public void Keeps_every_limit() => ForEvery(events =>
    {
        // A call may ring from the moment that it is allowed, so that this is what the limits are held against.
        var calls = events.OfType<OutboundCallPlaced>().Select(placed => placed.At).Order().ToList();
        MostWithin(calls, TimeSpan.FromDays(1)).ShouldBeLessThanOrEqualTo(5);

        var asked = events.Where(@event => @event is CallPermissionRequested or OutboundCallEnded { Outcome: CallStatus.Completed });
        var failed = events.OfType<CallPermissionRequestFailed>().Select(request => request.RequestId).ToHashSet();
        var run = new List<DateTimeOffset>();
        foreach (var @event in asked)
        {
            if (@event is CallPermissionRequested request && !failed.Contains(request.RequestId))
            {
                run.Add(request.At);
                MostWithin(run, TimeSpan.FromDays(1)).ShouldBeLessThanOrEqualTo(1);
                MostWithin(run, TimeSpan.FromDays(7)).ShouldBeLessThanOrEqualTo(2);
            }
            else if (@event is OutboundCallEnded)
            {
                run.Clear();
            }
        }
    });

    [Fact]
    public void Places_each_request_once_and_ends_each_call_once() => ForEvery(events =>
    {
        events.OfType<OutboundCallPlaced>().GroupBy(placed => placed.RequestId).ShouldAllBe(group => group.Count() == 1);
        events.OfType<OutboundCallEnded>().GroupBy(ended => ended.CallSid).ShouldAllBe(group => group.Count() == 1);
    });

    [Fact]
    public void Is_tried_on_courses_in_which_calls_are_placed_refused_answered_and_permissions_lost()
    {
        var seen = new HashSet<Type>();
        ForEvery(events => seen.UnionWith(events.Select(@event => @event.GetType())));
        Type[] wanted =
        [
            typeof(CallBackConfirmed), typeof(CallBackCancelled),
            typeof(OutboundCallPlaced), typeof(OutboundCallRefused), typeof(OutboundCallEnded), typeof(CallPermissionRevoked), typeof(CallPermissionDeclined), typeof(CallerErased),
        ];
        wanted.Except(seen).ShouldBeEmpty();
    }

    /// <summary>By the events alone, told apart from the code under test.</summary>
    private static CallPermissionGranted? LivePermission(IEnumerable<ConversationEvent> events, DateTimeOffset at)
    {
        var last = events.LastOrDefault(@event => @event is CallPermissionGranted or CallPermissionDeclined or CallPermissionRevoked or CallerErased) as CallPermissionGranted;
        return last is not null && (last.ExpiresAt is null || at < last.ExpiresAt) ? last : null;
    }

    private static int MostWithin(List<DateTimeOffset> times, TimeSpan length) =>
        times.Count == 0 ? 0 : times.Max(from => times.Count(time => time >= from && time < from + length));

    private static void ForEvery(Action<IReadOnlyList<ConversationEvent>> holds) => Prop.ForAll(Scripts, script => holds(Course(script))).Check(Tried);

    /// <summary>Each number is a command and the time that passes before it.</summary>
    private static List<ConversationEvent> Course(int[] script)
    {
        var conversation = Conversation.Empty;
        var events = new List<ConversationEvent>();
        var hours = 0.0;
        foreach (var (number, step) in script.Select((number, step) => (number, step)))
        {
            hours += (number / 20 % 7) switch { 0 => 0, 1 or 2 => 0.001, 3 or 4 => 0.5, 5 => 5, _ => 25 };
            try
            {
                var caused = Conversation.Decide(conversation, Command(number, step, hours));
                conversation = caused.Aggregate(conversation, Conversation.Apply);
                events.AddRange(caused);
            }
            catch (RuleException)
            {
                // Refused.
            }
        }

        return events;
    }

    private static ConversationCommand Command(int number, int step, double hours)
    {
        var request = $"r{number / 1000 % Requests}{(int)hours / 40}";
        var outcome = (number / 5000 % 4) switch { 0 or 1 => CallStatus.Completed, 2 => CallStatus.NoAnswer, _ => CallStatus.Failed };
        return (number % 20) switch
        {
            0 or 1 => new RequestPermission(Asked(hours, request), Sender, AnyHour),
            2 or 3 or 4 => new AnswerPermission($"SM{step}", Caller, Address, Accepted: true, Permanent: number % 3 == 0, AnyHour, At(hours)),
            5 => new AnswerPermission($"SM{step}", Caller, Address, Accepted: number % 3 != 0, Permanent: false, AnyHour, At(hours)),
            6 => new GrantByCall(SidOf($"in{step}"), Caller, Address, AnyHour, At(hours)),
            7 or 8 or 9 => new RequestOutboundCall(Wanted(request, hours, hours + 30), Sender, AnyHour),
            10 or 11 or 12 => new AllowOutboundCall(request, Sender, AnyHour, At(hours)),
            13 or 14 => new RecordPlacedCall(request, SidOf(request), At(hours)),
            15 or 16 => new RecordOutboundEnd(SidOf(request), outcome, number % 7 == 0 && outcome == CallStatus.Failed ? 37000 : null, AnyHour, At(hours)),
            17 => new RefuseOutboundCall(request, CallRefusalReason.CarrierRefused, number % 2 == 0 ? 37000 : 37007, At(hours)),
            18 when number % 3 == 0 => new ProposeCallBack(new CallBackProposed(request, Caller, At(hours + 1), "Africa/Accra", Agent: null, "rent", At(hours))),
            18 when number % 3 == 1 => new ConfirmCallBack(request, Caller, At(hours)),
            18 => new RecordPermissionRequest(new CallPermissionRequestFailed(request, Caller, "messenger 500", 500, At(hours))),
            _ when number % 11 == 1 => new CancelOutboundCall(request, Caller, At(hours)),
            _ when number % 11 == 2 => new CancelCallBack(request, Caller, CallBackCancelled.ByCaller, At(hours)),
            _ when number % 11 == 0 => new EraseCaller(Caller, At(hours)),
            _ => new ReceiveMessage(Wrote(hours) with { MessageSid = $"SMw{step}" }),
        };
    }

    private static IEnumerable<int[]> Shorter(int[] script)
    {
        for (var length = script.Length / 2; length > 0; length /= 2)
        {
            for (var at = 0; at + length <= script.Length; at += length)
            {
                yield return [.. script[..at], .. script[(at + length)..]];
            }
        }
    }
}
