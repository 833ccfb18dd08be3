using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Npgsql;

namespace Guru.Infrastructure.Postgres;

/// <summary>
/// Follows the log and keeps the roll-ups: of all nodes one at a time, each time in one transaction with the place in the log that they are up to.
/// </summary>
public sealed partial class RollupFollower(NpgsqlDataSource dataSource, TimeProvider time, ILogger<RollupFollower> logger) : BackgroundService
{
    private static readonly TimeSpan BetweenLooks = TimeSpan.FromSeconds(2);
    private static readonly TimeSpan AfterFailure = TimeSpan.FromSeconds(10);

    private readonly SettledLog _log = new(dataSource);

    /// <summary>Until everything that is over is added up.</summary>
    internal async Task CatchUpAsync(CancellationToken cancellationToken)
    {
        while (await LookAsync(cancellationToken))
        {
        }
    }

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        while (!stoppingToken.IsCancellationRequested)
        {
            var pause = BetweenLooks;
            try
            {
                await CatchUpAsync(stoppingToken);
            }
            catch (Exception error) when (error is NpgsqlException or TimeoutException)
            {
                LogFailed(error.Message);
                pause = AfterFailure;
            }
            catch (Exception error) when (!stoppingToken.IsCancellationRequested)
            {
                // Such as an event of a newer node's: the host is not to stop for it, which has calls.
                LogUnforeseen(error);
                pause = AfterFailure;
            }

            await Task.Delay(pause, time, stoppingToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    /// <returns>Whether there may be more to do at once.</returns>
    private async Task<bool> LookAsync(CancellationToken cancellationToken)
    {
        await using var connection = await dataSource.OpenConnectionAsync(cancellationToken);
        await using var transaction = await connection.BeginTransactionAsync(cancellationToken);
        if (await ScalarAsync(connection, $"select pg_try_advisory_xact_lock({Rollups.Lock})", cancellationToken) is not true)
        {
            return false; // Another node is at it.
        }

        if (await ScalarAsync(connection, "select rolled_up_to from guru.read_models", cancellationToken) is not long upTo)
        {
            return false; // A backup without read models was brought back: they are about to be made anew.
        }

        if (_log.Position != upTo) // Others have been at it, or what was done did not stay.
        {
            _log.GoOnFrom(upTo);
        }

        var more = await _log.AdvanceAsync(cancellationToken);
        if (_log.Position > upTo)
        {
            await Rollups.MarkAsync(connection, upTo, _log.Position, cancellationToken);
        }

        more |= await Rollups.AddUpAsync(connection, time.GetUtcNow(), cancellationToken);
        await transaction.CommitAsync(cancellationToken);
        return more;
    }

    private static async Task<object?> ScalarAsync(NpgsqlConnection connection, string sql, CancellationToken cancellationToken)
    {
        await using var command = new NpgsqlCommand(sql, connection);
        return await command.ExecuteScalarAsync(cancellationToken);
    }

    [LoggerMessage(Level = LogLevel.Warning, Message = "Figures cannot be added up now, and are read from the calls meanwhile: {Error}")]
    private partial void LogFailed(string error);

    [LoggerMessage(Level = LogLevel.Error, Message = "Figures cannot be added up, for a reason that nobody foresaw, and are read from the calls meanwhile")]
    private partial void LogUnforeseen(Exception error);
}
