namespace Guru.Application.Tests.Voice;

/// <summary>What is still to happen in a call, in the order of its times, and chance, which says when and what.</summary>
internal sealed class Agenda(PhoneCall call, int seed)
{
    private const int StepMs = 20;

    private readonly PriorityQueue<Action, (double AtMs, int Order)> _due = new();
    private readonly Random _random = new(seed);
    private int _order;

    public int Between(int least, int below) => _random.Next(least, below);

    public bool OneIn(int many) => _random.Next(many) == 0;

    public void In(double ms, Action happens) => _due.Enqueue(happens, (call.NowMs + ms, _order++));

    public void Run(double untilMs)
    {
        while (!call.IsOver && call.NowMs < untilMs)
        {
            var nextMs = _due.TryPeek(out _, out var due) ? Math.Min(due.AtMs, untilMs) : untilMs;
            if (nextMs > call.NowMs)
            {
                call.Passes(Math.Min(nextMs - call.NowMs, StepMs)); // What is decided meanwhile may have to happen sooner.
            }
            else
            {
                _due.Dequeue()();
            }
        }
    }
}
