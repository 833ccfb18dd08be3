using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Serialization;
using System.Text.Json.Serialization.Metadata;
using Guru.Application.Voice;
using Guru.Domain.Calls;

namespace Guru.Application.Traces;

/// <summary>
/// How inputs and decisions look in a trace: one line of JSON, <c>is</c> naming the type; what is null is left out, and what is missing
/// takes its default, so that a member that is added later makes no old trace differ.
/// </summary>
internal static class TraceJson
{
    private static readonly Type[] Families = [typeof(CallInput), typeof(CallDecision), typeof(ModelEvent), typeof(ModelCommand), typeof(CallCommand)];

    public static JsonSerializerOptions Options { get; } = new()
    {
        PropertyNamingPolicy = JsonNamingPolicy.CamelCase,
        DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
        IgnoreReadOnlyProperties = true,
        AllowOutOfOrderMetadataProperties = true,
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
        TypeInfoResolver = new DefaultJsonTypeInfoResolver { Modifiers = { NameFamilies } },
        Converters = { new JsonStringEnumConverter(JsonNamingPolicy.CamelCase) },
    };

    private static void NameFamilies(JsonTypeInfo type)
    {
        if (!Families.Contains(type.Type))
        {
            return;
        }

        type.PolymorphismOptions = new JsonPolymorphismOptions { TypeDiscriminatorPropertyName = "is" };
        foreach (var member in type.Type.Assembly.GetTypes().Where(member => member is { IsAbstract: false } && member.IsSubclassOf(type.Type)))
        {
            type.PolymorphismOptions.DerivedTypes.Add(new JsonDerivedType(member, member.Name));
        }
    }
}
