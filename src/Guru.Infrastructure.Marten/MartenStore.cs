using Guru.Infrastructure.Postgres;
using JasperFx;
using JasperFx.Events;
using Marten;
using Marten.Services.Json.Transformations;
using Npgsql;
using Weasel.Core;
using SystemTextJsonSerializer = Marten.Services.SystemTextJsonSerializer;

namespace Guru.Infrastructure.Marten;

/// <summary>Marten, set up so that it reads and writes the log as the default edition does: names, JSON and tables are the same.</summary>
public static class MartenStore
{
    private const string Schema = "events";

    public static DocumentStore Open(NpgsqlDataSource dataSource, EventTypes types, Upcasters upcasters) => DocumentStore.For(options =>
    {
        options.Connection(dataSource);
        options.DatabaseSchemaName = Schema;
        options.Events.StreamIdentity = StreamIdentity.AsString;

        // Left to itself, Marten drops at the first append what it does not know; MartenTables makes what it needs.
        options.AutoCreateSchemaObjects = AutoCreate.None;
        options.Serializer(Json());
        foreach (var type in types.All)
        {
            options.Events.MapEventType(type.ClrType, type.StoredName);
        }

        foreach (var storedType in upcasters.StoredTypes)
        {
            options.Events.Upcast<OlderEvent>(storedType, OlderEvent.Reading(storedType));
        }
    });

    /// <summary>Marten sets naming and enums by itself, the latter as they are written in C#; here it gets ours back.</summary>
    private static SystemTextJsonSerializer Json()
    {
        var json = new SystemTextJsonSerializer(EventJson.Options) { EnumStorage = EnumStorage.AsString, Casing = Casing.CamelCase };
        json.Configure(options =>
        {
            options.Converters.Clear();
            foreach (var converter in EventJson.Options.Converters)
            {
                options.Converters.Add(converter);
            }
        });
        return json;
    }
}

/// <summary>An event whose type has an upcaster, as it was stored: it is opened under its old names before it gets today's shape.</summary>
internal sealed record OlderEvent(RawEvent Raw)
{
    public static JsonTransformation Reading(string storedType) => new((_, row, column) =>
        new OlderEvent(new RawEvent(storedType, row.GetFieldValue<byte[]>(column))));
}
