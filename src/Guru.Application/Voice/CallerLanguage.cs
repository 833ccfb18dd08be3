namespace Guru.Application.Voice;

/// <summary>What the caller speaks, as a call finds it out: what they ask for, or two utterances in a row in a language other than the known one.</summary>
/// <param name="known">ISO 639-1, from before; null where nothing is known, and then the first utterance is believed for the time being.</param>
internal sealed class CallerLanguage(string? known)
{
    private string? _confirmed = known;
    private string? _last;
    private bool _asked;

    /// <summary>What to speak; null while nothing tells.</summary>
    public string? Current { get; private set; } = known;

    /// <summary>Notes what an utterance was in. What the caller has asked for stays, whatever they speak.</summary>
    /// <returns>True if that confirms a language that was not known.</returns>
    public bool Hear(string? language)
    {
        if (language is null || _asked)
        {
            return false;
        }

        var isConfirmed = language == _last && language != _confirmed;
        _last = language;
        Current ??= language;
        if (isConfirmed)
        {
            Current = _confirmed = language;
        }

        return isConfirmed;
    }

    /// <summary>The caller asked for it.</summary>
    /// <returns>False if it was known.</returns>
    public bool Ask(string language)
    {
        var isNew = language != _confirmed;
        (Current, _confirmed, _asked) = (language, language, true);
        return isNew;
    }
}
