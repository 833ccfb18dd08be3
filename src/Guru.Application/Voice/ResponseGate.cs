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
    private static readonly TimeSpan StallLimit = TimeSpan.FromSeconds(15);
    private static readonly TimeSpan Patience = TimeSpan.FromMilliseconds(500);

    private readonly Queue<string> _cut = new();
    private WantedResponse? _inFlight;
    private WantedResponse? _served;
    private TimeSpan _limit;
    private TimeSpan? _notBefore;

    public string? Active { get; private set; }

    public WantedResponse? Wanted { get; private set; }

    /// <summary>None is active, and none has been asked for.</summary>
    public bool IsIdle => Active is null && _inFlight is null;

    public bool IsFree => IsIdle && Wanted is null;

    /// <summary>One was asked for that has not begun.</summary>
    public bool IsAsked => _inFlight is not null;

    /// <summary>When a creation that was never confirmed is given up, or a response that has fallen silent.</summary>
    public TimeSpan? Limit => IsIdle ? null : _limit;

    /// <summary>When a wish that was refused may be tried again.</summary>
    public TimeSpan? NotBefore => IsIdle && Wanted is not null ? _notBefore : null;

    /// <summary>The latest wish stands, but none takes the place of one that does not yield.</summary>
    public void Want(WantedResponse wanted) => Wanted = Wanted is { Yields: false } && wanted.Yields ? Wanted : wanted;

    /// <summary>What was wished for is not to be said any more. One that was asked for may begin all the same; its purpose tells.</summary>
    public void Unwant() => (Wanted, _inFlight) = (null, null);

    /// <summary>The wish to send now, if nothing stands in its way.</summary>
    public WantedResponse? Take(TimeSpan now)
    {
        if (Wanted is null || !IsIdle || now < _notBefore)
        {
            return null;
        }

        (_inFlight, Wanted, _limit, _notBefore) = (Wanted, null, now + CreationLimit, null);
        return _inFlight;
    }

    /// <summary>A response has begun.</summary>
    /// <param name="answerExpected">The caller's turn is over, so that the model begins one by itself.</param>
    /// <returns>The purpose it was asked for; null for one that the model began by itself.</returns>
    public string? Created(string responseId, string? purpose, bool answerExpected, TimeSpan now)
    {
        (Active, _limit) = (responseId, now + StallLimit);
        purpose ??= answerExpected ? null : _inFlight?.Purpose;
        if (purpose is not null)
        {
            // It may be one that was given up too soon, and is wanted again by now.
            _served = _inFlight?.Purpose == purpose ? _inFlight : Wanted?.Purpose == purpose ? Wanted : null;
            (_inFlight, Wanted) = (_inFlight == _served ? null : _inFlight, Wanted == _served ? null : Wanted);
            return purpose;
        }

        _served = null;

        // The model was first: what it says now serves for a wish that yields.
        Wanted = Wanted is { Yields: true } ? null : Wanted;
        _inFlight = _inFlight is { Yields: true } ? null : _inFlight;
        return null;
    }

    /// <summary>The active response gave a sign of life.</summary>
    public void GoesOn(TimeSpan now)
    {
        if (Active is not null)
        {
            _limit = now + StallLimit;
        }
    }

    /// <summary>Gives up the creation in flight, or else leaves the active response to the caller of this.</summary>
    /// <returns>The wish that was never confirmed.</returns>
    public WantedResponse? TakeUnconfirmed()
    {
        var wanted = _inFlight;
        _inFlight = null;
        return wanted;
    }

    /// <summary>The model refused the creation in flight; the wish stands if nobody has wished anything else.</summary>
    public void Refused(TimeSpan now)
    {
        Wanted ??= _inFlight;
        (_inFlight, _notBefore) = (null, now + Patience);
    }

    /// <returns>The wish that the response served; null for one that the model began by itself.</returns>
    public WantedResponse? Done(string responseId)
    {
        if (Active != responseId)
        {
            return null;
        }

        (Active, _notBefore) = (null, null);
        return _served;
    }

    /// <summary>The model's session is gone, and with it what was asked of it.</summary>
    /// <remarks>Another session may number its responses as this one did.</remarks>
    public void Reset()
    {
        (Active, Wanted, _inFlight, _served, _notBefore) = (null, null, null, null, null);
        _cut.Clear();
    }

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
