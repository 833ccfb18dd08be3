using System.Text;
using System.Text.Json;
using Guru.Api.Reading;
using Guru.Application;
using Guru.Domain.Callers;
using Guru.Domain.Calls;
using Microsoft.AspNetCore.Http;
using Shouldly;

namespace Guru.Api.Tests;

public sealed class CsvTests
{
    private static readonly CsvColumn<object?>[] One = [new("cell", value => value)];

    [Theory]
    [InlineData("=1+1", "'=1+1")]
    [InlineData("+15550100001", "'+15550100001")]
    [InlineData("-2", "'-2")]
    [InlineData("@SUM(A1)", "'@SUM(A1)")]
    [InlineData("\t=1", "'\t=1")]
    [InlineData("  =1", "'  =1")]
    [InlineData("\"=1\"", "\"'\"\"=1\"\"\"")]
    [InlineData("=HYPERLINK(\"http://evil\",\"x\")", "\"'=HYPERLINK(\"\"http://evil\"\",\"\"x\"\")\"")]
    [InlineData("＝1+1", "'＝1+1")]
    [InlineData("\r\n=1", "\"'\r\n=1\"")]
    public void A_text_that_would_be_taken_for_a_formula_is_not(string text, string cell) => Row(text).ShouldBe($"{cell}\r\n");

    [Theory]
    [InlineData("a, b", "\"a, b\"")]
    [InlineData("she said \"no\"", "\"she said \"\"no\"\"\"")]
    [InlineData("two\nlines", "\"two\nlines\"")]
    [InlineData("1 - 1 = 0", "1 - 1 = 0")]
    [InlineData("", "")]
    [InlineData("您好", "您好")]
    public void Text_is_quoted_where_it_must_be(string text, string cell) => Row(text).ShouldBe($"{cell}\r\n");

    [Fact]
    public async Task The_address_of_the_next_page_has_the_callers_id_in_place_of_their_number()
    {
        var context = new DefaultHttpContext
        {
            Request = { Path = "/api/calls", QueryString = new("?phoneNumber=%2B15550100001&limit=1&format=csv&cursor=this&agent=legal") },
        };
        var maria = CallerId.Of(CallerAddress.Parse("+15550100001"), Encoding.ASCII.GetBytes("an invented secret"));
        var query = new QueryReader(context.Request.Query) { Caller = maria };
        (query.Text("phoneNumber"), query.Text("agent")).ShouldBe(("+15550100001", "legal"));

        await query.PageAsync(context, (_, _) => Task.FromResult(new Page<object?>(["a row"], "next")), One);

        context.Response.Headers.Link.ToString().ShouldBe($"</api/calls?limit=1&format=csv&agent=legal&cursor=next&callerId={maria.Value}>; rel=\"next\"");
    }

    [Fact]
    public void Other_values_are_written_plainly()
    {
        Row(-0.5m).ShouldBe("-0.5\r\n");
        Row(true).ShouldBe("true\r\n");
        Row(null).ShouldBe("\r\n");
        Row(new DateTimeOffset(2026, 3, 4, 13, 0, 0, TimeSpan.FromHours(1))).ShouldBe("2026-03-04T12:00:00.000000Z\r\n");
        Row(new DateOnly(2026, 3, 4)).ShouldBe("2026-03-04\r\n");
        Row(CallEndReason.CallerHungUp).ShouldBe("callerHungUp\r\n");
        Row(JsonElement.Parse("""{"said":"no"}""")).ShouldBe("\"{\"\"said\"\":\"\"no\"\"}\"\r\n");
        Row(new[] { "general", "legal" }).ShouldBe("general legal\r\n");
    }

    [Fact]
    public void A_sign_of_two_halves_stays_whole_however_long_the_row_is()
    {
        var (rows, body) = (new StringBuilder("x"), new System.Buffers.ArrayBufferWriter<byte>());
        for (var sign = 0; sign < 20_000; sign++)
        {
            rows.Append("😀");
        }

        Csv.MoveTo(body, rows).ShouldBe(body.WrittenCount);

        Encoding.UTF8.GetString(body.WrittenSpan).ShouldBe("x" + string.Concat(Enumerable.Repeat("😀", 20_000)));
        rows.Length.ShouldBe(0);
    }

    private static string Row(object? value)
    {
        var row = new StringBuilder();
        Csv.WriteRow(row, One, value);
        return row.ToString();
    }
}
