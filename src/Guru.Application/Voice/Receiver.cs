namespace Guru.Application.Voice;

/// <summary>Is handed one message after the other, on the thread that reads them: it must be quick. What a message points to is valid during the call.</summary>
/// <returns>False to end the reading.</returns>
public delegate bool Receiver<TMessage>(in TMessage message);
