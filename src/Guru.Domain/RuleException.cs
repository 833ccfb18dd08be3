namespace Guru.Domain;

/// <summary>A command that the rules refuse. The message is safe to show: it holds no personal data.</summary>
public class RuleException(string message) : Exception(message);
