namespace Guru.Application.Calling;

/// <summary>What WhatsApp has to be shown before it is sent.</summary>
public enum TemplateKind
{
    /// <summary>Asks for permission to call.</summary>
    PermissionRequest,

    /// <summary>A card with a button by which the person calls.</summary>
    CallCard,
}

/// <param name="Language">ISO 639-1.</param>
/// <param name="Body">What the person reads.</param>
public sealed record Template(TemplateKind Kind, string Language, string ContentSid, string Body);

/// <summary>The templates that were made at the carrier, as they are remembered here.</summary>
public interface ITemplates
{
    /// <summary>The one in a language; in English where there is none in it.</summary>
    Task<Template?> FindAsync(TemplateKind kind, string? language, CancellationToken cancellationToken);

    Task SaveAsync(Template template, CancellationToken cancellationToken);
}
