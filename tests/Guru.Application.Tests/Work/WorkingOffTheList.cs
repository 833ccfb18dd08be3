using System.Diagnostics.Metrics;
using Guru.Application.Conversations;
using Guru.Application.Work;
using Guru.Domain.Callers;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Options;
using Shouldly;

namespace Guru.Application.Tests.Work;

public sealed class WorkingOffTheList : IAsyncDisposable
{
    private static readonly CallerId Maria = CallerId.Parse("0123456789abcdef0123456789abcdef");
    private readonly ManualTime _time = new();
    private readonly MemoryQueue _queue;
    private readonly ScriptedWork _work = new();
    private WorkLoop? _loop;

    public WorkingOffTheList() => _queue = new MemoryQueue(_time);

    public async ValueTask DisposeAsync()
    {
        if (_loop is not null)
        {
            await _loop.StopAsync(default);
            _loop.Dispose();
        }
    }

    [Fact]
    public async Task What_can_be_retried_is_tried_as_often_as_the_rules_say_with_growing_waits_and_then_given_up()
    {
        _work.Runs = _ => throw new TextModelException("server_is_overloaded", transient: true);
        _queue.Add(Maria);

        await WorkOffAsync(rules => rules.MostAttempts = 4);

        _queue.Told.ShouldBe(["retry after 2 s", "retry after 4 s", "retry after 8 s", "completed"]);
        _work.Ran.ShouldBe(4);
        _work.GivenUp.ShouldHaveSingleItem().Reason.ShouldBe("server_is_overloaded");
    }

    [Fact]
    public async Task What_cannot_be_retried_is_given_up_at_once()
    {
        _work.Runs = _ => throw new TextModelException("insufficient_quota", transient: false);
        _queue.Add(Maria);

        await WorkOffAsync();

        (_work.Ran, _work.GivenUp.Count).ShouldBe((1, 1));
    }

    [Theory]
    [InlineData(1, "retry after 2 s")]
    [InlineData(30, "retry after 30 s")]
    [InlineData(100_000, "retry after 900 s")]
    public async Task The_other_sides_wait_is_kept_within_reason(int seconds, string told)
    {
        _work.Runs = item => item.Attempts == 0 ? throw new MessengerException(20429, transient: true, retryAfter: TimeSpan.FromSeconds(seconds)) : Task.CompletedTask;
        _queue.Add(Maria);

        await WorkOffAsync();

        _queue.Told.ShouldBe([told, "completed"]);
    }

    [Fact]
    public async Task A_defect_is_not_retried_for_ever()
    {
        _work.Runs = _ => throw new InvalidOperationException("nobody foresaw it");
        _queue.Add(Maria);

        await WorkOffAsync();

        _work.Ran.ShouldBe(new WorkRules().MostAttempts);
        _work.GivenUp.ShouldHaveSingleItem().ShouldBeOfType<DefectException>().Reason.ShouldBe("InvalidOperationException");
        _queue.LastError.ShouldBe("InvalidOperationException");
    }

    [Fact]
    public async Task Work_over_which_nodes_keep_dying_is_given_up_without_another_try()
    {
        _queue.Add(Maria, attempts: 6);

        await WorkOffAsync();

        (_work.Ran, _work.GivenUp.Count).ShouldBe((0, 1));
    }

    [Fact]
    public async Task Giving_up_is_tried_again_until_it_is_on_record()
    {
        _work.Runs = _ => throw new TextModelException("insufficient_quota", transient: false);
        _work.GivesUp = () => _work.GivenUp.Count < 3 ? throw new IOException("The database is away.") : Task.CompletedTask;
        _queue.Add(Maria);

        await WorkOffAsync();

        _work.GivenUp.Count.ShouldBe(3);
        _queue.Told[^1].ShouldBe("completed");
    }

    [Fact]
    public async Task Work_of_a_kind_that_only_a_newer_node_knows_waits_for_one_and_does_not_count_as_failed()
    {
        _queue.Add(Maria, kind: "newer");

        Start();
        await ManualTime.UntilAsync(() => _queue.Told.Count > 0);

        _queue.Told.ShouldBe(["released for 60 s"]);
        _work.Ran.ShouldBe(0);
    }

    [Fact]
    public async Task What_is_worked_on_for_long_stays_this_nodes()
    {
        var slow = new TaskCompletionSource();
        _work.Runs = _ => slow.Task;
        _queue.Add(Maria);
        Start();

        await _time.PassUntilAsync(() => _queue.Told.Contains("renewed"));
        slow.SetResult();

        await ManualTime.UntilAsync(() => _queue.IsEmpty);
        _work.Ran.ShouldBe(1);
    }

    [Fact]
    public async Task Work_that_another_node_has_taken_over_is_broken_off()
    {
        _work.RunsUntil = true;
        _queue.Add(Maria);
        Start();
        await ManualTime.UntilAsync(() => _work.Ran == 1);

        _queue.IsTaken = true;
        await _time.PassUntilAsync(() => _work.BrokenOff == 1);

        (_work.BrokenOff, _work.GivenUp.Count).ShouldBe((1, 0));
    }

    [Fact]
    public async Task A_node_that_stops_gives_its_work_to_the_others_at_once()
    {
        _work.RunsUntil = true;
        _queue.Add(Maria);
        Start();
        await ManualTime.UntilAsync(() => _work.Ran == 1);

        await _loop!.StopAsync(default);

        _queue.Told.ShouldBe(["released for 0 s"]);
        (await _queue.ClaimAsync(TimeSpan.FromMinutes(1), default))!.Attempts.ShouldBe(0);
    }

    [Fact]
    public async Task Metrics_tell_how_much_there_is_to_do_and_how_late_it_is()
    {
        var told = new Dictionary<string, double>();
        using var listener = new MeterListener
        {
            InstrumentPublished = (instrument, listener) =>
            {
                if (instrument.Name is "guru.work.items" or "guru.work.oldest")
                {
                    listener.EnableMeasurementEvents(instrument);
                }
            },
        };
        listener.SetMeasurementEventCallback<long>((instrument, value, tags, _) => told[$"{instrument.Name} {tags[0].Value}"] = value);
        listener.SetMeasurementEventCallback<double>((instrument, value, tags, _) => told[$"{instrument.Name} {tags[0].Value}"] = value);
        listener.Start();
        _work.RunsUntil = true;
        _queue.Add(Maria);
        _time.Jump(TimeSpan.FromSeconds(7));
        Start();

        // Loops of tests beside this one count too.
        await ManualTime.UntilAsync(() =>
        {
            listener.RecordObservableInstruments();
            return told.GetValueOrDefault("guru.work.items reply") == 1 && told.GetValueOrDefault("guru.work.oldest reply") == 7;
        });
    }

    [Fact]
    public async Task What_can_wait_does_not_keep_those_from_their_answer_who_cannot()
    {
        var slow = new TaskCompletionSource();
        var digest = new ScriptedWork { Kind = WorkItem.Digest, CanWait = true, Runs = _ => slow.Task };
        for (var number = 0; number < 4; number++)
        {
            _queue.Add(CallerId.Parse($"{number:x32}"), WorkItem.Digest);
        }

        Start(rules => rules.AtOnce = 4, digest);
        await _time.PassUntilAsync(() => digest.Ran == 2);
        _queue.Add(Maria);
        await _time.PassUntilAsync(() => _work.Ran == 1, TimeSpan.FromSeconds(20));

        (_work.Ran, digest.Ran).ShouldBe((1, 2));
        slow.SetResult();
        await _time.PassUntilAsync(() => _queue.IsEmpty);
        digest.Ran.ShouldBe(4);
    }

    private async Task WorkOffAsync(Action<WorkRules>? rules = null)
    {
        Start(rules);
        await ManualTime.UntilAsync(() =>
        {
            if (_queue.IsIdle)
            {
                _time.Jump(TimeSpan.FromSeconds(1));
            }

            return _queue.IsEmpty;
        });
    }

    private void Start(Action<WorkRules>? change = null, params IWork[] others)
    {
        var rules = new WorkRules { AtOnce = 1 };
        change?.Invoke(rules);
        _loop = new WorkLoop(_queue, [_work, .. others], Options.Create(rules), _time, NullLogger<WorkLoop>.Instance);
        _ = _loop.StartAsync(default);
    }

    /// <summary>Work that goes as the test says.</summary>
    private sealed class ScriptedWork : IWork
    {
        public string Kind { get; init; } = WorkItem.Reply;

        public bool CanWait { get; init; }

        public Func<WorkItem, Task> Runs { get; set; } = _ => Task.CompletedTask;

        /// <summary>It runs until it is broken off.</summary>
        public bool RunsUntil { get; set; }

        public Func<Task> GivesUp { get; set; } = () => Task.CompletedTask;

        public int Ran { get; private set; }

        public int BrokenOff { get; private set; }

        public List<OutsideException> GivenUp { get; } = [];

        public async Task RunAsync(WorkItem item, CancellationToken cancellationToken)
        {
            Ran++;
            if (!RunsUntil)
            {
                await Runs(item);
                return;
            }

            var over = new TaskCompletionSource();
            await using (cancellationToken.Register(() => over.SetResult()))
            {
                await over.Task;
            }

            BrokenOff++;
            cancellationToken.ThrowIfCancellationRequested();
        }

        public Task GiveUpAsync(WorkItem item, OutsideException error, CancellationToken cancellationToken)
        {
            GivenUp.Add(error);
            return GivesUp();
        }
    }
}
