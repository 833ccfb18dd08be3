using Guru.Infrastructure.Postgres;
using Npgsql;
using Shouldly;

namespace Guru.Infrastructure.Tests.Postgres;

public sealed class DatabaseUrlTests
{
    [Theory]
    [InlineData("postgres://ann:p%40ss%2Fword%3A1@db.example:6543/guru%20live")]
    [InlineData("postgresql://ann:p%40ss%2Fword%3A1@db.example:6543/guru%20live")]
    [InlineData("POSTGRES://ann:p@ss%2Fword:1@db.example:6543/guru%20live")]
    [InlineData("Host=db.example;Port=6543;Username=ann;Password=p@ss/word:1;Database=guru live")]
    public void An_address_is_read_in_either_way_of_writing_it(string url)
    {
        var connection = DatabaseUrl.Parse(url);

        connection.Host.ShouldBe("db.example");
        connection.Port.ShouldBe(6543);
        connection.Username.ShouldBe("ann");
        connection.Password.ShouldBe("p@ss/word:1");
        connection.Database.ShouldBe("guru live");
    }

    [Theory]
    [InlineData("disable", SslMode.Disable)]
    [InlineData("require", SslMode.Require)]
    [InlineData("verify-ca", SslMode.VerifyCA)]
    [InlineData("verify-full", SslMode.VerifyFull)]
    public void Encryption_is_asked_for_in_the_words_of_libpq(string mode, SslMode expected)
    {
        var connection = DatabaseUrl.Parse($"postgres://ann@db.example/guru?sslmode={mode}&application_name=my%20guru&connect_timeout=7");

        connection.SslMode.ShouldBe(expected);
        connection.ApplicationName.ShouldBe("my guru");
        connection.Timeout.ShouldBe(7);
    }

    [Fact]
    public void What_is_left_out_takes_its_default()
    {
        var connection = DatabaseUrl.Parse("postgres://[::1]");

        connection.Host.ShouldBe("::1");
        connection.Port.ShouldBe(5432);
        DatabaseUrl.Parse("postgres://ann@[::1]:6543/guru?target_session_attrs=read-write").Port.ShouldBe(6543);
    }

    [Theory]
    [InlineData("postgres://ann:hunter2@db.example/guru?sslmoed=require", "sslmoed")]
    [InlineData("postgres://ann:hunter2@db.example/guru?sslmode=perhaps", "sslmode")]
    [InlineData("postgres://ann:hunter2@db.example:port/guru", "DATABASE_URL")]
    [InlineData("postgres://ann:hunter2@[::1/guru", "DATABASE_URL")]
    [InlineData("mysql://ann:hunter2@db.example/guru", "DATABASE_URL")]
    [InlineData("postgres://", "host")]
    [InlineData("hunter2", "DATABASE_URL")]
    public void A_bad_address_is_told_without_repeating_its_password(string url, string hint)
    {
        var error = Should.Throw<FormatException>(() => DatabaseUrl.Parse(url));

        error.Message.ShouldContain(hint);
        error.ToString().ShouldNotContain("hunter2");
    }

    [Fact]
    public async Task What_the_address_does_not_say_is_set_for_a_backend_that_must_not_wait()
    {
        await using var plain = Database.DataSourceFor("postgres://ann@db.example/guru");
        await using var own = Database.DataSourceFor("postgres://ann@db.example/guru?connect_timeout=9&Maximum Pool Size=5&Max Auto Prepare=0");

        var connection = new NpgsqlConnectionStringBuilder(plain.ConnectionString);
        (connection.Timeout, connection.CommandTimeout, connection.ApplicationName).ShouldBe((3, 5, "guru"));
        connection = new NpgsqlConnectionStringBuilder(own.ConnectionString);
        (connection.Timeout, connection.MaxPoolSize, connection.MaxAutoPrepare).ShouldBe((9, 5, 0));
    }
}
