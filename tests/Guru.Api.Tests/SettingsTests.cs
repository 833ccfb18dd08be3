using System.Globalization;
using System.Net;
using System.Net.Sockets;
using Guru.Api.Hosting;
using Guru.Api.Security;
using Microsoft.Extensions.Configuration;
using Shouldly;

namespace Guru.Api.Tests;

public sealed class SettingsTests : IDisposable
{
    private readonly string _directory = Directory.CreateTempSubdirectory("guru-settings-").FullName;

    public void Dispose() => Directory.Delete(_directory, recursive: true);

    [Fact]
    public void Everything_that_is_missing_is_listed_at_once()
    {
        var mistakes = Should.Throw<SettingsException>(() => GuruSettings.Read(new ConfigurationBuilder().Build())).Mistakes;

        mistakes.Select(mistake => mistake.Split(' ')[0]).ShouldBe(
            ["OPENAI_API_KEY", "TWILIO_WHATSAPP_NUMBER", "TWILIO_ACCOUNT_SID", "TWILIO_AUTH_TOKEN", "BASE_URL"], ignoreOrder: true);
    }

    [Theory]
    [InlineData("BASE_URL", "guru.example.org", "BASE_URL")]
    [InlineData("BASE_URL", "https://guru.example.org/path", "BASE_URL")]
    [InlineData("PORT", "70000", "PORT")]
    [InlineData("OPENAI_BASE_URL", "ftp://example.org", "OPENAI_BASE_URL")]
    [InlineData("TWILIO_WHATSAPP_NUMBER", "5005550006", "TWILIO_WHATSAPP_NUMBER")]
    [InlineData("TWILIO_API_KEY", "SK1", "TWILIO_API_KEY")]
    [InlineData("OPENAI_VOICE", "fable", "OPENAI_VOICE: one of alloy, ash, ballad, coral, echo, sage, shimmer, verse, marin, cedar belongs there.")]
    [InlineData("Guru:Voice:Voice", "fable", "Guru__Voice__Voice: one of alloy, ash,")]
    [InlineData("Guru:Voice:ReasoningEffort", "none", "Guru__Voice__ReasoningEffort: one of minimal, low,")]
    [InlineData("Guru:Text:ReasoningEffort", "much", "Guru__Text__ReasoningEffort: one of none, ")]
    [InlineData("TWILIO_ACCOUNT_SID", "SK00000000000000000000000000000001", "TWILIO_ACCOUNT_SID")]
    [InlineData("TWILIO_ACCOUNT_SID", "AC123", "TWILIO_ACCOUNT_SID")]
    [InlineData("OTEL_EXPORTER_OTLP_ENDPOINT", "localhost:4317", "OTEL_EXPORTER_OTLP_ENDPOINT")]
    [InlineData("GURU_DATA_DIR", "/etc/passwd", "GURU_DATA_DIR: /etc/passwd is a file.")]
    [InlineData("GURU_DATA_DIR", "/etc/passwd/guru", "GURU_DATA_DIR: /etc/passwd is a file.")]
    [InlineData("GURU_DATA_DIR", "/proc/guru", "GURU_DATA_DIR: nothing can be written in /proc.")]
    [InlineData("Guru:Calls:SilenceSeconds", "-1", "Guru__Calls__SilenceSeconds")]
    [InlineData("Guru:Calls:SilenceSeconds", "soon", "Guru__Calls__SilenceSeconds")]
    [InlineData("Guru:Calls:MaxConcurrent", "1.5", "Guru__Calls__MaxConcurrent")]
    [InlineData("Guru:Calls:SayBeforeConnect", "perhaps", "Guru__Calls__SayBeforeConnect")]
    [InlineData("Guru:MediaStream:StartTimeoutSeconds", "0", "Guru__MediaStream__StartTimeoutSeconds")]
    [InlineData("Guru:OpenAI:KeepAliveTimeoutSeconds", "never", "Guru__OpenAI__KeepAliveTimeoutSeconds")]
    [InlineData("TWILIO_AUTH_TOKEN", " , ", "TWILIO_AUTH_TOKEN")]
    [InlineData("Guru:Webapp:AllowedOrigins", "https://app.example.org, app.example.org", "Guru__Webapp__AllowedOrigins")]
    [InlineData("Guru:Webapp:TokenSeconds", "0", "Guru__Webapp__TokenSeconds")]
    [InlineData("GURU_SECRET", "short", "GURU_SECRET")]
    [InlineData("DATABASE_URL", "postgres://guru@db/guru", "GURU_SECRET")]
    public void A_wrong_value_is_refused_by_name(string name, string value, string named)
    {
        var mistakes = Should.Throw<SettingsException>(() => Read((name, value))).Mistakes;

        mistakes.Count.ShouldBe(1);
        mistakes[0].ShouldStartWith(named);
    }

    [Theory]
    [InlineData("guru at db")]
    [InlineData("postgres://")]
    [InlineData("postgres://guru:hunter2@db:port/guru")]
    [InlineData("postgres://guru:hunter2@db/guru?no_such_option=1")]
    public void An_address_of_a_database_that_cannot_be_read_is_refused_and_not_repeated(string url)
    {
        var mistake = Should.Throw<SettingsException>(() => Read(("DATABASE_URL", url), ("GURU_SECRET", "0123456789abcdef"))).Mistakes.ShouldHaveSingleItem();

        mistake.ShouldStartWith("DATABASE_URL");
        mistake.ShouldNotContain("hunter2");
    }

    [Fact]
    public void A_directory_that_cannot_be_written_in_is_refused_beside_a_database_too_with_whatever_else_is_wrong()
    {
        var elsewhere = new (string, string?)[] { ("DATABASE_URL", "postgres://guru@db/guru"), ("GURU_SECRET", "0123456789abcdef"), ("GURU_DATA_DIR", "/proc/guru") };

        Should.Throw<SettingsException>(() => Read([.. elsewhere, ("PORT", "70000")])).Mistakes.Select(mistake => mistake.Split(' ')[0]).ShouldBe(["PORT", "GURU_DATA_DIR:"]);
        GuruSettings.Read(Environment(elsewhere), serving: false).Database.DataDirectory.ShouldBe("/proc/guru"); // A command that keeps nothing there.
    }

    [Fact]
    public async Task A_port_that_is_taken_is_refused_before_anything_is_started()
    {
        using var other = new TcpListener(IPAddress.Any, 0);
        other.Start();
        var port = ((IPEndPoint)other.LocalEndpoint).Port.ToString(CultureInfo.InvariantCulture);

        var refused = await Should.ThrowAsync<SettingsException>(() => GuruHost.OpenAsync(Environment(("PORT", port)), CancellationToken.None));

        refused.Mistakes.ShouldHaveSingleItem().ShouldStartWith($"PORT: {port} is taken by another program");
        Directory.GetDirectories(_directory).ShouldBeEmpty();
    }

    [Fact]
    public void Each_wrong_option_of_a_section_is_listed()
    {
        var mistakes = Should.Throw<SettingsException>(() => Read(
            ("Guru:Calls:SilenceSeconds", "soon"), ("Guru:Calls:DrainSeconds", "-1"), ("Guru:Voice:VadThreshold", "loud"), ("DATABASE_URL", "nowhere"))).Mistakes;

        mistakes.Select(mistake => mistake.Split(' ', ':')[0]).ShouldBe(
            ["Guru__Calls__SilenceSeconds", "Guru__Calls__DrainSeconds", "Guru__Voice__VadThreshold", "DATABASE_URL", "GURU_SECRET"], ignoreOrder: true);
    }

    [Fact]
    public void The_limits_of_both_sockets_are_options()
    {
        var settings = Read(("Guru:MediaStream:KeepAliveTimeoutSeconds", "12.5"), ("Guru:OpenAI:ConnectTimeoutSeconds", "2"), ("OPENAI_API_KEY", "sk-1"));

        (settings.MediaStream.KeepAliveTimeout, settings.MediaStream.KeepAliveInterval).ShouldBe((TimeSpan.FromSeconds(12.5), TimeSpan.FromSeconds(15)));
        (settings.OpenAI.ConnectTimeoutSeconds, settings.OpenAI.ApiKey).ShouldBe((2, "sk-1"));
    }

    [Fact]
    public void No_secret_is_shown()
    {
        var shown = Read(
            ("OPENAI_API_KEY", "hunter2"), ("TWILIO_AUTH_TOKEN", "hunter2"), ("TWILIO_API_KEY", "SK1"), ("TWILIO_API_SECRET", "hunter2"),
            ("GURU_ANALYST_KEYS", "hunter2"), ("GURU_SECRET", "hunter2hunter2hunter2"), ("DATABASE_URL", "postgres://guru:hunter2@db/guru")).ToString();

        shown.ShouldContain("https://guru.example.org");
        shown.ShouldNotContain("hunter2");
    }

    [Fact]
    public void An_empty_option_keeps_its_default() => Read(("Guru:Calls:SilenceSeconds", "")).Calls.SilenceSeconds.ShouldBe(20);

    [Fact]
    public void An_empty_variable_counts_as_missing() =>
        Should.Throw<SettingsException>(() => Read(("OPENAI_API_KEY", " "))).Mistakes.ShouldHaveSingleItem().ShouldStartWith("OPENAI_API_KEY");

    [Fact]
    public void Every_auth_token_of_the_list_is_taken_and_the_number_may_have_its_scheme()
    {
        var settings = Read(("TWILIO_AUTH_TOKEN", "new, old"), ("TWILIO_WHATSAPP_NUMBER", "whatsapp:+15005550006"), ("BASE_URL", "https://guru.example.org/"));

        settings.Twilio.AuthTokens.ShouldBe(["new", "old"]);
        settings.BaseUrl.ShouldBe("https://guru.example.org");
    }

    [Fact]
    public void Without_a_secret_one_is_made_once_and_kept_for_its_owner_alone()
    {
        var first = Read().Secret.Value.ToArray();
        var second = Read().Secret.Value.ToArray();

        second.ShouldBe(first);
        first.Length.ShouldBeGreaterThanOrEqualTo(32);
        File.GetUnixFileMode(Path.Combine(_directory, "secret")).ShouldBe(UnixFileMode.UserRead | UnixFileMode.UserWrite);
        Directory.GetFiles(_directory).ShouldHaveSingleItem();
    }

    [Theory]
    [InlineData("")]
    [InlineData("cut")]
    public void A_kept_secret_that_is_empty_or_cut_off_is_refused_and_left_as_it_is(string kept)
    {
        var path = Path.Combine(_directory, "secret");
        File.WriteAllText(path, kept);

        Should.Throw<SettingsException>(() => Read()).Mistakes.ShouldHaveSingleItem().ShouldStartWith(path);

        File.ReadAllText(path).ShouldBe(kept);
    }

    [Fact]
    public void A_key_has_the_roles_of_the_lists_it_stands_in_and_no_other()
    {
        var keys = new ApiKeys(["a", "both"], ["w"], ["o", "both"]);

        keys.RolesOf("a").ShouldBe([Roles.Analyst]);
        keys.RolesOf("both").ShouldBe([Roles.Analyst, Roles.Operator]);
        keys.RolesOf("").ShouldBeEmpty();
        keys.RolesOf("A").ShouldBeEmpty();
    }

    [Fact]
    public void The_document_has_every_option_that_is_read_and_its_default()
    {
        var asked = new Asked();
        Should.Throw<SettingsException>(() => GuruSettings.Read(new ConfigurationRoot([asked])));
        var documented = Documented("docs/settings.md").ToList();

        documented.Select(option => option.Name).ShouldBe(asked.Options.Except(["Guru__OpenAI__BaseUrl", "Guru__OpenAI__ApiKey"]), ignoreOrder: true);
        foreach (var (name, told) in documented.Concat(Documented("README.md")))
        {
            if (DefaultOf(name) is { Length: > 0 } standard)
            {
                told.ShouldBe(standard, name);
            }
        }
    }

    /// <summary>Of a fresh section; of what is not one, none.</summary>
    private static string? DefaultOf(string name)
    {
        var (section, option) = name.Split("__") is [_, var first, var second] ? (first, second) : throw new FormatException(name);
        var type = typeof(GuruSettings).GetProperty(section)?.PropertyType;
        type = type?.GetProperty("Settings")?.PropertyType ?? type;
        return type?.GetProperty(option)?.GetValue(Activator.CreateInstance(type)) switch
        {
            bool value => value ? "true" : "false",
            var value => Convert.ToString(value, CultureInfo.InvariantCulture),
        };
    }

    private static IEnumerable<(string Name, string Default)> Documented(string path) =>
        Documents.Rows(path, "| `Guru__").Select(cells => (cells[0].Trim('`'), cells[^1].Trim('`')));

    /// <summary>An environment without anything, that keeps what it is asked for.</summary>
    private sealed class Asked : ConfigurationProvider
    {
        private readonly HashSet<string> _keys = [];

        public IEnumerable<string> Options => _keys.Where(key => key.StartsWith("Guru:", StringComparison.Ordinal)).Select(key => key.Replace(":", "__", StringComparison.Ordinal));

        public override bool TryGet(string key, out string? value)
        {
            _keys.Add(key);
            value = null;
            return false;
        }
    }

    private GuruSettings Read(params (string Name, string? Value)[] changes) => GuruSettings.Read(Environment(changes));

    private IConfiguration Environment(params (string Name, string? Value)[] changes)
    {
        var values = new Dictionary<string, string?>
        {
            ["OPENAI_API_KEY"] = "sk-invented",
            ["TWILIO_ACCOUNT_SID"] = "AC00000000000000000000000000000001",
            ["TWILIO_AUTH_TOKEN"] = "invented",
            ["TWILIO_WHATSAPP_NUMBER"] = "+15005550006",
            ["BASE_URL"] = "https://guru.example.org",
            ["GURU_DATA_DIR"] = _directory,
        };
        foreach (var (name, value) in changes)
        {
            values[name] = value;
        }

        return new ConfigurationBuilder().AddInMemoryCollection(values).Build();
    }
}
