using System.CommandLine;
using System.Runtime.InteropServices;
using Guru.Application.Calling;
using Guru.Application.Conversations;
using Guru.Application.Privacy;
using Guru.Infrastructure.Postgres;
using Guru.Infrastructure.Twilio;
using Spectre.Console;

namespace Guru.Api.Hosting;

/// <summary>What can be typed after the program's name; nothing serves.</summary>
internal static class CommandLine
{
    private const int Misconfigured = 78; // EX_CONFIG of sysexits.h

    /// <param name="output">Null: the console.</param>
    public static Task<int> RunAsync(string[] args, TextWriter? output = null)
    {
        var rebuild = new Command("rebuild", "Makes the read models anew from the events. With DATABASE_URL, Guru may go on meanwhile; stop it first where it runs a PostgreSQL of its own.");
        rebuild.SetAction((_, cancellationToken) => MendingAsync(() => RebuildAsync(cancellationToken)));
        var languages = new Option<string[]>("--language")
        {
            Description = "ISO 639-1; may be given several times, or all.", DefaultValueFactory = _ => ["en"], AllowMultipleArgumentsPerToken = true,
        };
        var create = new Command("create", "Makes the request for permission to call and the card with a call button at Twilio, once, and submits them for WhatsApp's approval.") { languages };
        create.SetAction((parsed, cancellationToken) => MendingAsync(() => CreateTemplatesAsync(parsed.GetValue(languages)!, cancellationToken)));
        var templates = new Command("templates", "The messages that WhatsApp has to approve.") { create };
        var calls = new Option<int>("--calls") { Description = "How many.", DefaultValueFactory = _ => 300 };
        var sample = new Command("sample-data", "Stores invented calls, marked as such, in a database without real ones, to see what analysts see.") { calls };
        sample.SetAction((parsed, cancellationToken) => MendingAsync(() =>
            SampleDataCommand.RunAsync(GuruSettings.Read(Environment(), serving: false), parsed.GetValue(calls), cancellationToken)));
        var root = new RootCommand("Guru answers WhatsApp calls with an AI advisor. Without a command it serves.") { rebuild, templates, sample, ReplayCommand.Create(MendingAsync, Environment) };
        root.SetAction((_, cancellationToken) => MendingAsync(() => ServeAsync(cancellationToken)));
        return root.Parse(args).InvokeAsync(new InvocationConfiguration { ProcessTerminationTimeout = null, Output = output ?? Console.Out });
    }

    private static async Task<int> ServeAsync(CancellationToken cancellationToken)
    {
        using var starting = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        using var signals = new StartSignals(starting);
        try
        {
            await using var host = await GuruHost.OpenAsync(Environment(), starting.Token);
            await host.App.StartAsync(starting.Token);
            signals.Dispose(); // From here on they are the host's.
            await host.App.WaitForShutdownAsync(cancellationToken); // Not Run: what it disposes at its end is still needed for the last records.
            return 0;
        }
        catch (OperationCanceledException) when (starting.IsCancellationRequested)
        {
            return 0; // Asked to stop before it had started.
        }
    }

    private static async Task<int> RebuildAsync(CancellationToken cancellationToken)
    {
        var settings = GuruSettings.Read(Environment(), serving: false);
        using var loggers = LoggerFactory.Create(logging => logging.SetMinimumLevel(LogLevel.Warning).AddConsole());
        await using var database = await Database.OpenAsync(settings.Database, loggers, cancellationToken);
        await using var services = new ServiceCollection().AddEventStore(database, settings.Prices).BuildServiceProvider();
        using var list = settings.ErasureList();
        using var follower = new ErasureFollower(
            services.GetRequiredService<IErasures>(), list, [], TimeProvider.System, loggers.CreateLogger<ErasureFollower>());
        await follower.RestoreAsync(cancellationToken); // What an older backup brought back is not to be read once more.
        var rebuild = services.GetRequiredService<Rebuild>();
        var events = Console.IsOutputRedirected
            ? await rebuild.RebuildAsync(new RebuildLines(Console.Out), cancellationToken)
            : await AnsiConsole.Progress().StartAsync(async progress =>
            {
                var task = progress.AddTask("Rebuilding the read models");
                return await rebuild.RebuildAsync(new Progress<RebuildProgress>(at => task.MaxValue(Math.Max(1, at.LastSequence)).Value = at.Sequence), cancellationToken);
            });
        Console.WriteLine($"{events} events projected.");
        return 0;
    }

    private static async Task<int> CreateTemplatesAsync(string[] languages, CancellationToken cancellationToken)
    {
        var settings = GuruSettings.Read(Environment());
        var texts = FixedTexts.Load();
        var wanted = languages is ["all"] ? texts.Languages : languages;
        if (wanted.Except(texts.Languages, StringComparer.Ordinal).ToList() is { Count: > 0 } unknown)
        {
            throw new SettingsException([$"There are no texts in {string.Join(", ", unknown)}: the languages are {string.Join(", ", texts.Languages)}."]);
        }

        using var loggers = LoggerFactory.Create(logging => logging.SetMinimumLevel(LogLevel.Warning).AddConsole());
        await using var database = await Database.OpenAsync(settings.Database, loggers, cancellationToken);
        await using var services = new ServiceCollection().AddEventStore(database, settings.Prices).BuildServiceProvider();
        using var contents = new TwilioContents(settings.Twilio, settings.Messenger, texts, TimeProvider.System);
        foreach (var (kind, language) in Enum.GetValues<TemplateKind>().SelectMany(kind => wanted, (kind, language) => (kind, language)))
        {
            var template = await contents.CreateAsync(kind, language, cancellationToken);
            await services.GetRequiredService<ITemplates>().SaveAsync(template, cancellationToken);
            Console.WriteLine($"{kind} ({language}): {template.ContentSid}, {await contents.ApprovalAsync(template.ContentSid, cancellationToken)}");
        }

        return 0;
    }

    /// <summary>What the operator can mend is told in words, not as a stack trace.</summary>
    private static async Task<int> MendingAsync(Func<Task<int>> command)
    {
        try
        {
            return await command();
        }
        catch (Exception error) when (error is SettingsException or DatabaseException or EmbeddedPostgresException or MigrationException or RebuildException
            or SentencesException or MessengerException or Npgsql.NpgsqlException or IOException or UnauthorizedAccessException)
        {
            await Console.Error.WriteLineAsync(error.Message);
            return Misconfigured;
        }
    }

    /// <summary>With a .env file in the working directory; what the environment says wins.</summary>
    private static IConfigurationRoot Environment()
    {
        try
        {
            DotNetEnv.Env.NoClobber().Load();
        }
        catch (Sprache.ParseException error)
        {
            // Its message repeats what it has read, which may be a key.
            throw new SettingsException([$".env cannot be read from line {error.Position.Line} on: a line is NAME=value, or begins with #."]);
        }

        return new ConfigurationBuilder().AddEnvironmentVariables().Build();
    }

    /// <summary>A signal while Guru starts, before its host listens to them, ends the start in good order: a PostgreSQL that it has started is stopped again.</summary>
    private sealed class StartSignals : IDisposable
    {
        private readonly List<PosixSignalRegistration> _signals = [];

        public StartSignals(CancellationTokenSource starting)
        {
            foreach (var signal in new[] { PosixSignal.SIGTERM, PosixSignal.SIGINT, PosixSignal.SIGQUIT })
            {
                _signals.Add(PosixSignalRegistration.Create(signal, context =>
                {
                    context.Cancel = true;
                    starting.Cancel();
                }));
            }
        }

        public void Dispose() => _signals.ForEach(signal => signal.Dispose());
    }
}
