using Shouldly;

namespace Guru.Application.Tests;

/// <summary>The clock of the tests, which a busy machine must not let run ahead.</summary>
public sealed class TheManualClock
{
    private readonly ManualTime _time = new();

    [Fact]
    public async Task Stands_still_while_what_the_test_has_set_going_goes_on()
    {
        _time.Follow();
        using var end = new ManualResetEventSlim();
        var going = Task.Run(() =>
        {
            end.Wait();
            return _time.GetUtcNow();
        });
        var passing = Task.Run(() => _time.PassAsync(TimeSpan.FromSeconds(1)));
        end.Set();

        (await going).ShouldBe(ManualTime.Start);
        await passing;
        _time.GetUtcNow().ShouldBe(ManualTime.Start + TimeSpan.FromSeconds(1));
    }

    [Fact]
    public async Task Stands_still_while_what_a_timer_has_set_going_goes_on()
    {
        _time.Follow();
        var seen = new TaskCompletionSource<DateTimeOffset>();
        await using var timer = _time.CreateTimer(
            _ => ThreadPool.QueueUserWorkItem(_ => seen.SetResult(_time.GetUtcNow())), state: null, TimeSpan.FromSeconds(1), Timeout.InfiniteTimeSpan);
        await _time.PassAsync(TimeSpan.FromSeconds(2));

        seen.Task.IsCompleted.ShouldBeTrue();
        (await seen.Task).ShouldBe(ManualTime.Start + TimeSpan.FromSeconds(1));
    }
}
