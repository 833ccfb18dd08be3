using Guru.Application.Calls;
using Npgsql;
using NpgsqlTypes;

namespace Guru.Infrastructure.Postgres;

/// <summary>
/// How far back a search looks that wants only so many of the newest hits: at first over the days that are thought to be enough, then over as many
/// as the hits there promise to be, at last over everything. The index of words knows the days, so what is older is left unread. How much was said
/// in a day is known from the roll-ups; where they are behind, it is looked further back than need be.
/// </summary>
internal sealed class SearchWindow
{
    /// <summary>So few that a frequent word is found often enough among them, and a rare one is quickly seen to be rare.</summary>
    public const int FewUtterances = 20_000;

    private const int MostAttempts = 4;

    /// <summary>Each hit is held against each day, or each eight of them: over more it is cheaper to look at all hits.</summary>
    private const int MostDays = 200;
    private const int Together = 8;

    /// <summary>A window with more of all than this is not worth it.</summary>
    private const double MostOfAll = 1 / 3.0;

    /// <summary>With what was said in each, the newest first.</summary>
    private readonly IReadOnlyList<(DateOnly Day, long Utterances)> _days;
    private readonly DateOnly _newest;
    private readonly DateOnly _last;
    private readonly DateTimeOffset? _oldest;
    private int _attempts;
    private long _utterances;

    private SearchWindow(IReadOnlyList<(DateOnly Day, long Utterances)> days, DateOnly newest, DateOnly last, DateTimeOffset? oldest, double onRecord) =>
        (_days, _newest, _last, _oldest, OnRecord) = (days, newest, last, oldest, onRecord);

    public static SearchWindow Everything => new([], default, default, oldest: null, onRecord: 0);

    /// <summary>How many utterances there are about; 0 where that is not known.</summary>
    public double OnRecord { get; }

    /// <summary>The beginning of a day; null: over everything.</summary>
    public DateTimeOffset? From { get; private set; }

    /// <param name="range">What the search is limited to.</param>
    /// <param name="end">Where it begins to go back, if that is earlier.</param>
    public static async Task<SearchWindow> ReadAsync(
        NpgsqlConnection connection, TimeRange range, DateTimeOffset? end, int fewUtterances, CancellationToken cancellationToken)
    {
        await using var batch = new NpgsqlBatch(connection) { BatchCommands = { Asking(range, end) } };
        await using var reader = await batch.ExecuteReaderAsync(cancellationToken);
        var window = await ReadAsync(reader, range, end, cancellationToken);
        window.Take(fewUtterances);
        return window;
    }

    /// <summary>What is to be asked before.</summary>
    public static NpgsqlBatchCommand Asking(TimeRange range, DateTimeOffset? end)
    {
        var query = new SqlQuery();
        query.AndWithin("starts", range with { From = null });
        if (end is { } time)
        {
            query.And($"starts <= {query.Time(time)}");
        }

        query.And("dimension = 'none' and period = 'day'");
        return query.InBatch(
            $"""
            select (select max(at) from guru.utterances), (select reltuples::bigint from pg_class where oid = 'guru.utterances'::regclass)
            union all
            (select starts, turns from guru.call_rollups {query.Where} order by starts desc limit {MostDays})
            """);
    }

    /// <returns>Over everything, until it is told among how many utterances it is to be looked.</returns>
    public static async Task<SearchWindow> ReadAsync(NpgsqlDataReader reader, TimeRange range, DateTimeOffset? end, CancellationToken cancellationToken)
    {
        await reader.ReadAsync(cancellationToken);
        if (reader.IsDBNull(0))
        {
            return Everything;
        }

        var onRecord = Math.Max(0, reader.GetInt64(1));

        // It may have become the next day meanwhile.
        var (newest, days) = (DayOf(reader.GetFieldValue<DateTimeOffset>(0)).AddDays(1), new List<(DateOnly, long)>());
        while (await reader.ReadAsync(cancellationToken))
        {
            days.Add((DayOf(reader.GetFieldValue<DateTimeOffset>(0)), reader.GetInt64(1)));
        }

        return new SearchWindow(days, newest, Earlier(newest, Earlier(DayOf(range.To), DayOf(end))), range.From, onRecord);
    }

    /// <summary>Looks further back, since only so many were found of those that are wanted.</summary>
    /// <remarks>The fewer were found, the less that says, and the more is taken than was worked out.</remarks>
    public void Widen(int found, int wanted) =>
        Take(found == 0 ? double.PositiveInfinity : (1.1 + (2 / Math.Sqrt(found))) * wanted / found * _utterances);

    /// <summary>In how many of the newest utterances those are that were found, if the oldest of them is of this time.</summary>
    public double UtterancesSince(DateTimeOffset oldest) => _days.TakeWhile(day => day.Day >= DayOf(oldest)).Sum(day => (double)day.Utterances);

    /// <param name="utterances">Alias of the table.</param>
    /// <param name="ofCalls">
    /// Whether it is the calls that began in the window: they go on after its end, and may seem to begin after what was said in them, since the clocks of two
    /// nodes differ.
    /// </param>
    /// <returns>A condition, as the index has it.</returns>
    public string Condition(SqlQuery query, string utterances, bool ofCalls = false)
    {
        var (day, last) = (DayOf(From).AddDays(ofCalls ? -1 : 0).DayNumber, (ofCalls ? _newest : _last).DayNumber);
        var days = new List<int>();
        while (day <= last)
        {
            var together = day % Together == 0 && day + Together - 1 <= last;
            days.Add(together ? -1 - (day / Together) : day);
            day += together ? Together : 1;
        }

        return $"guru.days_of({utterances}.at) && {query.Parameter(days.ToArray(), NpgsqlDbType.Array | NpgsqlDbType.Integer)}";
    }

    /// <summary>Looks over the newest days that hold so many, if those are not too many.</summary>
    public void Take(double utterances)
    {
        _utterances = 0;
        From = null;
        if (++_attempts >= MostAttempts)
        {
            return;
        }

        var most = MostOfAll * _days.Sum(day => day.Utterances);
        foreach (var (day, said) in _days)
        {
            _utterances += said;
            if (_last.DayNumber - day.DayNumber >= MostDays || _utterances > most)
            {
                return;
            }

            if (_utterances >= utterances)
            {
                var from = new DateTimeOffset(day, TimeOnly.MinValue, TimeSpan.Zero);
                From = from > _oldest || _oldest is null ? from : null; // Else the range itself is shorter.
                return;
            }
        }
    }

    private static DateOnly DayOf(DateTimeOffset? at) => at is { } moment ? DateOnly.FromDateTime(moment.UtcDateTime) : DateOnly.MaxValue;

    private static DateOnly Earlier(DateOnly one, DateOnly other) => one < other ? one : other;
}
