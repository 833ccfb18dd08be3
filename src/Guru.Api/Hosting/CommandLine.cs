using System.CommandLine;
using Guru.Infrastructure.Postgres;
using Spectre.Console;

namespace Guru.Api.Hosting;

/// <summary>What can be typed after the program's name; nothing serves.</summary>
internal static class CommandLine
{
    private const int Misconfigured = 78; // EX_CONFIG of sysexits.h

    public static Task<int> RunAsync(string[] args)
    {
        DotNetEnv.Env.NoClobber().Load(); // A .env file in the working directory; the environment wins.
        var rebuild = new Command("rebuild", "Makes the read models anew from the events, while Guru may go on.");
        rebuild.SetAction((_, cancellationToken) => MendingAsync(() => RebuildAsync(cancellationToken)));
        var root = new RootCommand("Guru answers WhatsApp calls with an AI advisor. Without a command it serves.") { rebuild };
        root.SetAction((_, cancellationToken) => MendingAsync(() => ServeAsync(cancellationToken)));
        return root.Parse(args).InvokeAsync(new InvocationConfiguration { ProcessTerminationTimeout = null });
    }

    private static async Task<int> ServeAsync(CancellationToken cancellationToken)
    {
        await using var host = await GuruHost.OpenAsync(Environment(), cancellationToken);
        await host.App.RunAsync();
        return 0;
    }

    private static async Task<int> RebuildAsync(CancellationToken cancellationToken)
    {
        var settings = GuruSettings.Read(Environment(), serving: false);
        using var loggers = LoggerFactory.Create(logging => logging.SetMinimumLevel(LogLevel.Warning).AddConsole());
        await using var database = await Database.OpenAsync(settings.Database, loggers, cancellationToken);
        await using var services = new ServiceCollection().AddPostgres(database).BuildServiceProvider();
        var events = await AnsiConsole.Progress().StartAsync(async progress =>
        {
            var task = progress.AddTask("Rebuilding the read models");
            var report = new Progress<RebuildProgress>(at => task.MaxValue(Math.Max(1, at.LastSequence)).Value = at.Sequence);
            return await services.GetRequiredService<Rebuild>().RebuildAsync(report, cancellationToken);
        });
        AnsiConsole.MarkupLineInterpolated($"{events} events projected.");
        return 0;
    }

    /// <summary>What the operator can mend is told in words, not as a stack trace.</summary>
    private static async Task<int> MendingAsync(Func<Task<int>> command)
    {
        try
        {
            return await command();
        }
        catch (Exception error) when (error is SettingsException or EmbeddedPostgresException or MigrationException or RebuildException
            or Infrastructure.Twilio.SentencesException or Npgsql.NpgsqlException or IOException)
        {
            await Console.Error.WriteLineAsync(error.Message);
            return Misconfigured;
        }
    }

    private static IConfigurationRoot Environment() => new ConfigurationBuilder().AddEnvironmentVariables().Build();
}
