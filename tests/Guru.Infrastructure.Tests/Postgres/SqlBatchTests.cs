using Guru.Infrastructure.Postgres;
using Npgsql;
using NpgsqlTypes;
using Shouldly;

namespace Guru.Infrastructure.Tests.Postgres;

public sealed class SqlBatchTests
{
    private static readonly SqlStatement Write = new("write", NpgsqlDbType.Text);
    private static readonly SqlStatement Once = new("once", NpgsqlDbType.Text);
    private static readonly SqlStatement Look = new("look", NpgsqlDbType.Text);

    [Fact]
    public void Rows_of_one_statement_go_together_as_long_as_their_keys_differ() =>
        Joined(Writes("a", 1), Writes("b", 1), Writes("a", 2), Writes("b", 2)).ShouldBe(["write a1 b1", "write a2 b2"]);

    [Fact]
    public void What_is_read_was_written_before_and_not_after() =>
        Joined(Writes("a", 1), Looks("x", "a"), Writes("a", 2), Looks("y", "a"), Writes("a", 3))
            .ShouldBe(["write a1", "look x", "write a2", "look y", "write a3"]);

    [Fact]
    public void Those_that_only_read_go_together() =>
        Joined(Writes("a", 1), Looks("x", "a"), Looks("y", "a"), Writes("b", 1), Looks("z", "b")).ShouldBe(["write a1 b1", "look x y z"]);

    [Fact]
    public void A_reader_keeps_its_own_order_too() =>
        Joined(Looks("x", "a"), Looks("x", "b"), Writes("b", 1)).ShouldBe(["look x", "look x", "write b1"]);

    [Fact]
    public void Those_without_a_key_go_together_whatever_they_say_once_what_they_read_is_written() =>
        Joined(Adds("x", "a"), Writes("a", 1), Adds("x", "a"), Adds("x", "a"), Writes("a", 2), Adds("y", "b")).ShouldBe(["look x y", "write a1", "look x x", "write a2"]);

    [Fact]
    public void What_has_been_done_once_is_not_repeated_and_separates_nobody() =>
        Joined(OnceMore("a", 1), Looks("x", "a"), OnceMore("a", 2), Looks("y", "a"), OnceMore("b", 1)).ShouldBe(["once a1 b1", "look x y"]);

    [Fact]
    public void It_is_done_again_after_something_else_was_written_to_the_key() =>
        Joined(OnceMore("a", 1), Writes("a", 2), OnceMore("a", 3)).ShouldBe(["once a1", "write a2", "once a3"]);

    [Fact]
    public void One_row_is_given_as_values()
    {
        var batch = new SqlBatch();
        batch.Add([new SqlCommand(new("insert into t select * from unnest($1, $2) as r", NpgsqlDbType.Text, NpgsqlDbType.Integer), "a", "x\0", null)]);
        using var joined = new NpgsqlBatch();
        batch.AppendTo(joined);

        var command = joined.BatchCommands.Cast<NpgsqlBatchCommand>().ShouldHaveSingleItem();
        command.CommandText.ShouldBe("insert into t select * from (values ($1::text, $2::int)) as r");
        command.Parameters.Cast<NpgsqlParameter>().Select(parameter => parameter.Value).ShouldBe(["x\uFFFD", DBNull.Value]);
    }

    private static SqlCommand OnceMore(string key, int number) => Writes(key, number) with { Statement = Once, Once = true };

    private static SqlCommand Writes(string key, int number) => new(Write, key, $"{key}{number}");

    private static SqlCommand Looks(string key, string reads) => new(Look, key, key) { Reads = reads };

    private static SqlCommand Adds(string value, string reads) => new(Look, null, value) { Reads = reads };

    private static List<string> Joined(params SqlCommand[] commands)
    {
        var batch = new SqlBatch();
        batch.Add(commands);
        using var joined = new NpgsqlBatch();
        batch.AppendTo(joined);
        return [.. joined.BatchCommands.Cast<NpgsqlBatchCommand>().Select(command => $"{command.CommandText} {string.Join(' ', command.Parameters[0].Value as IEnumerable<string> ?? [(string)command.Parameters[0].Value!])}")];
    }
}
