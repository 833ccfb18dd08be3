namespace Guru.Application.Voice;

/// <summary>A response that should be asked for as soon as the model may answer.</summary>
/// <param name="Yields">The model's own answer to the caller makes it needless.</param>
internal sealed record WantedResponse(string Purpose, string? Instructions, bool ToolsAllowed, bool Yields);

/// <summary>
/// The one place that knows which response is active. The model takes one at a time and begins some by itself, so a wish
/// waits until none is active, and is dropped when the model has answered first.
/// </summary>
internal sealed class ResponseGate
{
    private const int MostCut = 16;
    private static readonly TimeSpan CreationLimit = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan Patience = TimeSpan.FromMilliseconds(500);

    private readonly Queue<string> _cut = new();
    private WantedResponse? _inFlight;
    private TimeSpan _limit;
    private TimeSpan? _notBefore;

    public string? Active { get; private set; }

    public WantedResponse? Wanted { get; private set; }

    public bool IsFree => Active is null && Wanted is null && _inFlight is null;

    /// <summary>When a creation that was never confirmed is given up, or one that was refused may be tried again.</summary>
    public TimeSpan? Deadline => _inFlight is not null ? _limit : Wanted is not null && Active is null ? _notBefore : null;

    public void Want(WantedResponse wanted) => Wanted = wanted;

    public void Unwant() => Wanted = null;

    /// <summary>The wish to send now, if nothing stands in its way.</summary>
    public WantedResponse? Take(TimeSpan now)
    {
        if (_inFlight is not null && now >= _limit)
        {
            Refused(now);
        }

        if (Wanted is null || Active is not null || _inFlight is not null || now < _notBefore)
        {
            return null;
        }

        (_inFlight, Wanted, _limit, _notBefore) = (Wanted, null, now + CreationLimit, null);
        return _inFlight;
    }

    /// <summary>A response has begun.</summary>
    /// <param name="answerExpected">The caller's turn is over, so that the model begins one by itself.</param>
    /// <returns>The purpose it was asked for; null for one that the model began by itself.</returns>
    public string? Created(string responseId, string? purpose, bool answerExpected)
    {
        Active = responseId;
        if (purpose is not null || (_inFlight is not null && !answerExpected))
        {
            purpose ??= _inFlight?.Purpose;
            _inFlight = null;
            return purpose;
        }

        // The model was first: what it says now serves for a wish that yields.
        Wanted = Wanted is { Yields: true } ? null : Wanted;
        _inFlight = _inFlight is { Yields: true } ? null : _inFlight;
        return null;
    }

    /// <summary>The model refused the creation in flight; the wish stands if nobody has wished anything else.</summary>
    public void Refused(TimeSpan now)
    {
        Wanted ??= _inFlight;
        (_inFlight, _notBefore) = (null, now + Patience);
    }

    public void Done(string responseId)
    {
        if (Active == responseId)
        {
            (Active, _notBefore) = (null, null);
        }
    }

    /// <summary>The model's session is gone, and with it what was asked of it.</summary>
    public void Reset() => (Active, Wanted, _inFlight, _notBefore) = (null, null, null, null);

    /// <summary>Nothing more of this response is to be heard.</summary>
    public void Cut(string responseId)
    {
        if (_cut.Contains(responseId))
        {
            return;
        }

        if (_cut.Count == MostCut)
        {
            _cut.Dequeue();
        }

        _cut.Enqueue(responseId);
    }

    public bool IsCut(string responseId) => _cut.Count > 0 && _cut.Contains(responseId);
}
