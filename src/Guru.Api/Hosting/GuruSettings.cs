using System.ComponentModel.DataAnnotations;
using System.Reflection;
using System.Security.Cryptography;
using System.Text;
using Guru.Api.Security;
using Guru.Api.VoiceAgent;
using Guru.Application;
using Guru.Application.Calling;
using Guru.Application.Conversations;
using Guru.Application.Privacy;
using Guru.Application.Recordings;
using Guru.Application.Traces;
using Guru.Application.Voice;
using Guru.Application.VoiceSessions;
using Guru.Application.Work;
using Guru.Domain.Agents;
using Guru.Domain.Callers;
using Guru.Domain.Costs;
using Guru.Infrastructure.Agents;
using Guru.Infrastructure.Calling;
using Guru.Infrastructure.Costs;
using Guru.Infrastructure.Journal;
using Guru.Infrastructure.OpenAI;
using Guru.Infrastructure.Postgres;
using Guru.Infrastructure.Privacy;
using Guru.Infrastructure.Twilio;

namespace Guru.Api.Hosting;

/// <summary>The variables of the contract, read and checked: a value in hand is a valid value.</summary>
internal sealed record GuruSettings(
    string BaseUrl,
    int Port,
    OpenAIOptions OpenAI,
    TwilioOptions Twilio,
    MediaStreamOptions MediaStream,
    DatabaseOptions Database,
    ServerSecret Secret,
    ApiKeys Keys,
    CallRules Calls,
    VoiceSettings Voice,
    AgentCatalog Agents,
    PriceTable Prices,
    MemorySettings Memory,
    ReplyRules Replies,
    MessageRules Messages,
    WorkRules Work,
    MessengerOptions Messenger,
    TextModelSettings Text,
    WebappOptions Webapp,
    CallingTerms Calling,
    TraceSettings Traces,
    RecordingSettings Recording,
    PrivacyOptions Privacy,
    RetentionRules Retention,
    JournalOptions Journal)
{
    private const int DefaultPort = 3001;
    private const int LeastSecretLength = 16;

    /// <param name="serving">False for commands that need the database alone.</param>
    /// <exception cref="SettingsException">Lists everything that is missing or wrong.</exception>
    public static GuruSettings Read(IConfiguration environment, bool serving = true)
    {
        var mistakes = new List<string>();
        string? Get(string name) => environment[name] is { } value && !string.IsNullOrWhiteSpace(value) ? value.Trim() : null;
        string Need(string name, string advice)
        {
            if (Get(name) is null && serving)
            {
                mistakes.Add($"{name} is missing: {advice}");
            }

            return Get(name) ?? "";
        }

        Uri Address(string name, string standard)
        {
            if (Uri.TryCreate(Get(name) ?? standard, UriKind.Absolute, out var address) && address.Scheme is "http" or "https")
            {
                return address!;
            }

            mistakes.Add($"{name} is not an http or https address.");
            return new Uri(standard);
        }

        IReadOnlyList<string> ListOf(string? text) =>
            text?.Split(',', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries) ?? [];

        IReadOnlyList<string> NeedList(string name, string advice)
        {
            var list = ListOf(Get(name));
            if (list.Count == 0 && serving)
            {
                mistakes.Add($"{name} is missing: {advice}");
            }

            return list;
        }

        var openAI = Options<OpenAIOptions>(environment, "OpenAI", mistakes) with
        {
            ApiKey = Need("OPENAI_API_KEY", "a key of an OpenAI project with access to the Realtime API."),
            BaseUrl = Address("OPENAI_BASE_URL", "https://api.openai.com/v1"),
        };
        var number = Need("TWILIO_WHATSAPP_NUMBER", "the WhatsApp sender callers write to, such as +15005550006.");
        if (number.Length > 0 && !(CallerAddress.TryParse(number, out var sender) && sender.IsPhoneNumber))
        {
            mistakes.Add("TWILIO_WHATSAPP_NUMBER is not a number in E.164 form, such as +15005550006.");
        }

        var account = Need("TWILIO_ACCOUNT_SID", "it begins with AC, see the Twilio console.");
        if (account.Length > 0 && !IsAccountSid(account))
        {
            mistakes.Add("TWILIO_ACCOUNT_SID is not AC and 32 hexadecimal digits: it is on the first page of the Twilio console.");
        }

        var twilio = new TwilioOptions
        {
            AccountSid = account,
            AuthTokens = NeedList("TWILIO_AUTH_TOKEN", "the primary auth token; it signs Twilio's requests."),
            WhatsAppNumber = number,
            BaseUrl = Address("TWILIO_BASE_URL", "https://api.twilio.com"),
            ApiKey = Get("TWILIO_API_KEY"),
            ApiSecret = Get("TWILIO_API_SECRET"),
        };
        if ((twilio.ApiKey is null) != (twilio.ApiSecret is null))
        {
            mistakes.Add("TWILIO_API_KEY and TWILIO_API_SECRET go together: set both or neither.");
        }

        var baseUrl = Need("BASE_URL", "the public address of this server, such as https://guru.example.org.").TrimEnd('/');
        if (baseUrl.Length > 0 && !IsOrigin(baseUrl))
        {
            mistakes.Add("BASE_URL must be scheme and host, with a port where needed, and nothing more.");
        }

        var port = DefaultPort;
        if (Get("PORT") is { } portText && !(int.TryParse(portText, out port) && port is >= 0 and <= 65535))
        {
            mistakes.Add("PORT is not a port number.");
        }

        var database = new DatabaseOptions { Url = Get("DATABASE_URL"), DataDirectory = Get("GURU_DATA_DIR") ?? ".guru" };
        try
        {
            _ = database.Url is { } url ? DatabaseUrl.Parse(url) : null;
        }
        catch (FormatException error)
        {
            mistakes.Add(error.Message);
        }

        // Also beside a database of its own: the journal, the erasure list and recordings are there.
        if ((serving || database.Url is null) && WhyNotIn(database.DataDirectory) is { } why)
        {
            mistakes.Add($"GURU_DATA_DIR: {why} Name a directory that the user {Environment.UserName} may write to.");
        }

        if (Get("OTEL_EXPORTER_OTLP_ENDPOINT") is not null)
        {
            Address("OTEL_EXPORTER_OTLP_ENDPOINT", "http://localhost:4317");
        }

        var secret = Get("GURU_SECRET");
        if (secret is null && database.Url is not null && serving)
        {
            mistakes.Add("GURU_SECRET is missing: with DATABASE_URL all nodes must share one, such as the output of: openssl rand -hex 32");
        }
        else if (secret?.Length < LeastSecretLength)
        {
            mistakes.Add($"GURU_SECRET is too short: {LeastSecretLength} characters at least.");
        }

        var voice = Options<VoiceSettings>(environment, "Voice", mistakes, settings =>
        {
            settings.Model = Get("OPENAI_REALTIME_MODEL") ?? settings.Model;
            settings.Voice = Get("OPENAI_VOICE") ?? settings.Voice;
        }, setBy: option => option == nameof(VoiceSettings.Voice) && Get("OPENAI_VOICE") is not null ? "OPENAI_VOICE" : null);
        var calls = Options<CallRules>(environment, "Calls", mistakes);
        var memory = Options<MemorySettings>(environment, "Memory", mistakes);
        var replies = Options<ReplyRules>(environment, "Replies", mistakes);
        var messages = Options<MessageRules>(environment, "Messages", mistakes);
        var work = Options<WorkRules>(environment, "Work", mistakes);
        var messenger = Options<MessengerOptions>(environment, "Messenger", mistakes);
        var text = Options<TextModelSettings>(environment, "Text", mistakes);
        var journal = Options<JournalOptions>(environment, "Journal", mistakes);
        var webapp = Options<WebappOptions>(environment, "Webapp", mistakes);
        mistakes.AddRange(webapp.Origins.Where(origin => !IsOrigin(origin)).Select(origin =>
            $"Guru__Webapp__AllowedOrigins: {origin} is not scheme and host, such as https://app.example.org."));
        var privacy = Options<PrivacyOptions>(environment, "Privacy", mistakes);
        var retention = Options<RetentionRules>(environment, "Retention", mistakes);
        var recording = Options<RecordingSettings>(environment, "Recording", mistakes, settings =>
            settings.Path = string.IsNullOrWhiteSpace(settings.Path) ? Path.Combine(database.DataDirectory, "recordings") : settings.Path);
        var traces = Options<TraceSettings>(environment, "Traces", mistakes);
        var agents = AgentsOf(environment["Guru:Agents:Path"], mistakes);
        var calling = CallingOf(Options<CallingSettings>(environment, "Calling", mistakes), number, mistakes);
        var prices = PricesOf(environment["Guru:Prices:Path"], mistakes);
        var mediaStream = Options<MediaStreamOptions>(environment, "MediaStream", mistakes);
        var keys = new ApiKeys(ListOf(Get("GURU_ANALYST_KEYS")), ListOf(Get("GURU_WEBAPP_KEYS")), ListOf(Get("GURU_OPERATOR_KEYS")));

        return mistakes.Count == 0
            ? new GuruSettings(
                baseUrl, port, openAI, twilio, mediaStream, database, new ServerSecret(SecretOf(secret, database)), keys, calls, voice, agents!, prices!, memory,
                replies, messages, work, messenger, text, webapp, calling!, traces, recording, privacy, retention, journal)
            : throw new SettingsException(mistakes);
    }

    /// <summary>This node's erasure list.</summary>
    public ErasureListFile ErasureList() => new(Privacy.ErasureListIn(Database), Environment.MachineName);

    /// <summary>The members of a section, each under its own name, so that one that cannot be read does not hide the others.</summary>
    /// <param name="change">Sets what other variables set.</param>
    /// <param name="setBy">The variable that did, of an option; null where it was the option's own.</param>
    private static T Options<T>(
        IConfiguration environment, string section, List<string> mistakes, Action<T>? change = null, Func<string, string?>? setBy = null)
        where T : class, new()
    {
        var options = new T();
        var values = environment.GetSection($"Guru:{section}");
        foreach (var property in typeof(T).GetProperties().Where(property => property.CanWrite && !string.IsNullOrWhiteSpace(values[property.Name])))
        {
            try
            {
                property.SetValue(options, values.GetValue(property.PropertyType, property.Name));
            }
            catch (InvalidOperationException)
            {
                mistakes.Add($"Guru__{section}__{property.Name} cannot be read: {Expected(property.PropertyType)} belongs there.");
            }
        }

        change?.Invoke(options);
        var results = new List<ValidationResult>();
        Validator.TryValidateObject(options, new ValidationContext(options), results, validateAllProperties: true);
        mistakes.AddRange(
            from result in results
            let option = result.MemberNames.First()
            let allowed = typeof(T).GetProperty(option)?.GetCustomAttribute<AllowedValuesAttribute>()
            select $"{setBy?.Invoke(option) ?? $"Guru__{section}__{option}"}: {(allowed is null ? result.ErrorMessage : $"one of {string.Join(", ", allowed.Values)} belongs there.")}");
        return options;
    }

    /// <summary>Scheme and host, with a port where needed, and nothing more.</summary>
    private static bool IsOrigin(string text) =>
        Uri.TryCreate(text, UriKind.Absolute, out var address)
        && address.Scheme is "http" or "https" && address.PathAndQuery == "/" && address.UserInfo.Length == 0 && !text.EndsWith('/');

    private static bool IsAccountSid(string text) => text is ['A', 'C', .. { Length: 32 } digits] && digits.All(char.IsAsciiHexDigit);

    /// <summary>What keeps Guru from writing there, tried with a file; nothing else is made, since there may be other mistakes. Null: nothing.</summary>
    private static string? WhyNotIn(string directory)
    {
        var place = new DirectoryInfo(directory);
        while (!place.Exists && !File.Exists(place.FullName) && place.Parent is { } parent)
        {
            place = parent;
        }

        try
        {
            using var trial = new FileStream(
                Path.Combine(place.FullName, $".guru-{Guid.NewGuid():N}"), FileMode.CreateNew, FileAccess.Write, FileShare.None, bufferSize: 0, FileOptions.DeleteOnClose);
            return null;
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            return File.Exists(place.FullName) ? $"{place.FullName} is a file." : $"nothing can be written in {place.FullName}.";
        }
    }

    private static AgentCatalog? AgentsOf(string? path, List<string> mistakes)
    {
        try
        {
            return AgentsFile.Load(string.IsNullOrWhiteSpace(path) ? AgentsFile.ShippedPath : path);
        }
        catch (AgentsException error)
        {
            mistakes.AddRange(error.Mistakes.Select(mistake => $"agents: {mistake}"));
            return null;
        }
    }

    /// <summary>Null where there are mistakes, or no sender (for commands that need none).</summary>
    private static CallingTerms? CallingOf(CallingSettings settings, string sender, List<string> mistakes)
    {
        try
        {
            var rules = CallingRulesFile.Load(string.IsNullOrWhiteSpace(settings.RulesPath) ? null : settings.RulesPath);
            return CallerAddress.TryParse(sender, out var address) ? new CallingTerms(address, rules, settings) : null;
        }
        catch (CallingRulesException error)
        {
            mistakes.AddRange(error.Mistakes.Select(mistake => $"calling rules: {mistake}"));
            return null;
        }
    }

    private static PriceTable? PricesOf(string? path, List<string> mistakes)
    {
        try
        {
            return PricesFile.Load(string.IsNullOrWhiteSpace(path) ? PricesFile.ShippedPath : path);
        }
        catch (PricesException error)
        {
            mistakes.AddRange(error.Mistakes.Select(mistake => $"prices: {mistake}"));
            return null;
        }
    }

    private static string Expected(Type type) => type == typeof(bool) ? "true or false" : type == typeof(int) ? "a whole number" : "a number";

    /// <summary>Without GURU_SECRET one is made once, and kept beside the data it protects.</summary>
    private static byte[] SecretOf(string? secret, DatabaseOptions database)
    {
        if (secret is not null || database.Url is not null)
        {
            return Encoding.UTF8.GetBytes(secret ?? "");
        }

        Directory.CreateDirectory(database.DataDirectory);
        var path = Path.Combine(database.DataDirectory, "secret");
        if (!File.Exists(path))
        {
            MakeSecret(path);
        }

        var kept = File.ReadAllText(path).Trim();
        return kept.Length >= LeastSecretLength
            ? Encoding.UTF8.GetBytes(kept)
            : throw new SettingsException(
                [$"{path} is empty or cut off: put it back from a backup. Where there are no calls to lose yet, remove it, and a new one is made."]);
    }

    /// <summary>Written beside and then renamed: a Guru that is killed meanwhile leaves a whole secret or none.</summary>
    private static void MakeSecret(string path)
    {
        var draft = $"{path}.{Guid.NewGuid():N}";
        var options = new FileStreamOptions { Mode = FileMode.CreateNew, Access = FileAccess.Write };
        if (!OperatingSystem.IsWindows())
        {
            options.UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite;
        }

        using (var file = new FileStream(draft, options))
        {
            file.Write(Encoding.ASCII.GetBytes(Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(32))));
            file.Flush(flushToDisk: true);
        }

        try
        {
            File.Move(draft, path);
        }
        catch (IOException) when (File.Exists(path))
        {
            File.Delete(draft); // Another start was faster.
        }
    }
}

/// <summary>The settings are not complete. The message lists every mistake and how to mend it.</summary>
internal sealed class SettingsException(IReadOnlyList<string> mistakes)
    : Exception("Guru cannot start:\n" + string.Join('\n', mistakes.Select(mistake => "  - " + mistake)))
{
    public IReadOnlyList<string> Mistakes { get; } = mistakes;
}
