namespace Guru.Application;

/// <summary>Why a service outside did not do what it was asked.</summary>
/// <param name="reason">A code, for the operator; never a person's words.</param>
/// <param name="transient">Trying again may help.</param>
/// <param name="retryAfter">As asked for by the service.</param>
public abstract class OutsideException(string reason, bool transient, TimeSpan? retryAfter, Exception? inner) : Exception($"It failed outside: {reason}.", inner)
{
    public string Reason { get; } = reason;

    public bool Transient { get; } = transient;

    public TimeSpan? RetryAfter { get; } = retryAfter;
}
