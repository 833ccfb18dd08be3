namespace Guru.Domain;

/// <summary>Whose key protects a member: the words a person said, or how the person can be reached.</summary>
public enum PersonalDataKind
{
    Words,
    Contact,
}

/// <summary>Marks a text member of an event as personal data; the event serializer encrypts it before it is stored.</summary>
[AttributeUsage(AttributeTargets.Property)]
public sealed class PersonalDataAttribute(PersonalDataKind kind) : Attribute
{
    public PersonalDataKind Kind { get; } = kind;
}
