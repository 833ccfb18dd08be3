namespace Guru.Domain;

/// <summary>Which key protects a member. What is kept for different times is under different keys.</summary>
public enum PersonalDataKind
{
    /// <summary>Words of any kind, from before they were told apart; nothing new is sealed under it.</summary>
    Words,

    /// <summary>How the person can be reached, and what they are called.</summary>
    Contact,

    /// <summary>What was said in calls, and what was made of one.</summary>
    Transcript,

    /// <summary>What was written, and what voice notes said.</summary>
    Message,

    /// <summary>What was made of both.</summary>
    Summary,

    /// <summary>The sound of calls.</summary>
    Recording,
}

/// <summary>Marks a text member of an event as personal data; the event serializer encrypts it before it is stored.</summary>
[AttributeUsage(AttributeTargets.Property)]
public sealed class PersonalDataAttribute(PersonalDataKind kind) : Attribute
{
    public PersonalDataKind Kind { get; } = kind;
}
