using System.Collections.Concurrent;

namespace Guru.Sandbox.Twilio;

/// <summary>Who has agreed to be called, as WhatsApp has it; what the application believes is its own business.</summary>
public sealed class CallPermissions
{
    private readonly ConcurrentDictionary<string, bool> _granted = new(StringComparer.Ordinal);

    /// <param name="person">With the scheme.</param>
    public bool Has(string person) => _granted.GetValueOrDefault(person);

    /// <summary>Without a word to the application, as when a person changes the setting.</summary>
    public void Set(string person, bool granted) => _granted[person] = granted;
}
