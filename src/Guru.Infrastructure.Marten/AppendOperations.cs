using System.Data.Common;
using Guru.Infrastructure.Postgres;
using JasperFx.Events;
using Npgsql;
using NpgsqlTypes;
using Weasel.Core;
using Weasel.Storage;
using ICommandBuilder = Weasel.Postgresql.ICommandBuilder;
using IStorageOperation = Marten.Internal.Operations.IStorageOperation;

namespace Guru.Infrastructure.Marten;

/// <summary>A key that events are sealed under was destroyed before they were stored.</summary>
internal sealed class KeyDestroyedException() : Exception("A key of the events was destroyed.");

/// <summary>
/// Comes before the events of an append. The stream's row is locked to the commit, as by the default edition: so writers at any version
/// do not conflict, within a stream sequence numbers rise with versions, and a transaction has its number before it takes sequence
/// numbers, which those who follow the log go by.
/// </summary>
internal sealed class LockStream(string streamId, IReadOnlyCollection<Guid> keyIds) : IStorageOperation
{
    /// <summary>What Marten goes by when it puts this before what is not about events.</summary>
    public Type DocumentType => typeof(IEvent);

    public OperationRole Role() => OperationRole.Other;

    public void ConfigureCommand(ICommandBuilder builder, IStorageSession session)
    {
        builder.Append("with stream as (select id from events.mt_streams where id = ");
        builder.AppendParameter(streamId, NpgsqlDbType.Varchar);
        builder.Append(" for update) select (select count(*) from stream), (select count(*) from guru_keys.keys where key_id = any (");
        builder.AppendParameter(keyIds.ToArray(), NpgsqlDbType.Array | NpgsqlDbType.Uuid);
        builder.Append($")), {SqlBatch.Planning}");
    }

    public async Task PostprocessAsync(DbDataReader reader, IList<Exception> exceptions, CancellationToken token)
    {
        await reader.ReadAsync(token);
        if (reader.GetInt64(1) < keyIds.Count)
        {
            exceptions.Add(new KeyDestroyedException());
        }
    }
}

/// <summary>What the projections have made of the events.</summary>
internal sealed class ProjectRows(NpgsqlBatchCommand command) : IStorageOperation, NoDataReturnedCall
{
    public Type DocumentType => typeof(ProjectRows);

    public OperationRole Role() => OperationRole.Other;

    /// <summary>Marten writes the parameters' places by itself: each stands once in the text, in order.</summary>
    public void ConfigureCommand(ICommandBuilder builder, IStorageSession session)
    {
        var (text, written) = (command.CommandText, 0);
        for (var number = 1; number <= command.Parameters.Count; number++)
        {
            var place = text.IndexOf($"${number}", written, StringComparison.Ordinal);
            builder.Append(text[written..place]);
            builder.AppendParameter(command.Parameters[number - 1].Value, command.Parameters[number - 1].NpgsqlDbType);
            written = place + $"${number}".Length;
        }

        builder.Append(text[written..]);
    }

    public Task PostprocessAsync(DbDataReader reader, IList<Exception> exceptions, CancellationToken token) => Task.CompletedTask;
}
