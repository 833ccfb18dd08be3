using System.Net;
using System.Net.Sockets;
using System.Text.Json;
using System.Text.Json.Serialization;
using Guru.Api.Analytics;
using Guru.Api.Calling;
using Guru.Api.Calls;
using Guru.Api.Conversations;
using Guru.Api.Dashboard;
using Guru.Api.Privacy;
using Guru.Api.Security;
using Guru.Api.Telemetry;
using Guru.Api.Transcripts;
using Guru.Api.VoiceAgent;
using Guru.Application;
using Guru.Application.Conversations;
using Guru.Application.Privacy;
using Guru.Application.Voice;
using Guru.Infrastructure;
using Guru.Infrastructure.Journal;
using Guru.Infrastructure.OpenAI;
using Guru.Infrastructure.Postgres;
using Guru.Infrastructure.Sockets;
using Guru.Infrastructure.Recordings;
using Guru.Infrastructure.Twilio;
using Microsoft.AspNetCore.Authentication;
using Microsoft.AspNetCore.Diagnostics.HealthChecks;
using Microsoft.AspNetCore.Server.Kestrel.Transport.Sockets;
using Microsoft.Extensions.Options;

namespace Guru.Api.Hosting;

/// <summary>Guru, composed: the database first, then everything that needs it; stopped in the other order.</summary>
internal sealed class GuruHost : IAsyncDisposable
{
    /// <summary>The longest body that Twilio or a client sends; a webhook has a few kilobytes.</summary>
    private const int MaxBodyBytes = 256 * 1024;

    /// <summary>Who needs longer for a few hundred bytes is not Twilio.</summary>
    private static readonly TimeSpan HeadersWithin = TimeSpan.FromSeconds(8);

    /// <summary>How long the end waits for what is not stored yet.</summary>
    private static readonly TimeSpan LastRecords = TimeSpan.FromSeconds(10);

    private readonly Database _database;
    private readonly ILoggerFactory _loggers;

    private GuruHost(WebApplication app, Database database, ILoggerFactory loggers) => (App, _database, _loggers) = (app, database, loggers);

    public WebApplication App { get; }

    /// <exception cref="SettingsException">The settings are not complete.</exception>
    public static async Task<GuruHost> OpenAsync(IConfiguration environment, CancellationToken cancellationToken)
    {
        var settings = GuruSettings.Read(environment);
        DemandPort(settings.Port);
        var builder = WebApplication.CreateBuilder(new WebApplicationOptions
        {
            ContentRootPath = AppContext.BaseDirectory,
            ApplicationName = typeof(GuruHost).Assembly.GetName().Name, // Whoever hosts it: the files of the pages are found by this name.
        });
        builder.WebHost.UseStaticWebAssets();
        builder.Configuration.AddConfiguration(environment);
        Log(builder.Logging);

        // The database is opened before the container and closed after it, so that what stops last can still write.
        var loggers = LoggerFactory.Create(Log);
        var database = await Database.OpenAsync(settings.Database, loggers, cancellationToken);
        try
        {
            Compose(builder, settings, database);
            var app = builder.Build();
            Map(app);
            app.Lifetime.ApplicationStarted.Register(() => Banner.Print(app, settings, database));
            return new GuruHost(app, database, loggers);
        }
        catch
        {
            await database.DisposeAsync();
            loggers.Dispose();
            throw;
        }
    }

    public async ValueTask DisposeAsync()
    {
        await App.Services.GetRequiredService<Switchboard>().StopAsync(LastRecords);
        await App.DisposeAsync();
        await _database.DisposeAsync();
        _loggers.Dispose();
    }

    /// <summary>Before anything is started: the host would tell it at its end, thrice.</summary>
    private static void DemandPort(int port)
    {
        try
        {
            using var socket = SocketTransportOptions.CreateDefaultBoundListenSocket(new IPEndPoint(IPAddress.IPv6Any, port));
            socket.Listen();
        }
        catch (SocketException error) when (error.SocketErrorCode is SocketError.AddressAlreadyInUse or SocketError.AccessDenied)
        {
            throw new SettingsException(
                [$"PORT: {port} {(error.SocketErrorCode == SocketError.AccessDenied ? $"is not for the user {Environment.UserName}" : "is taken by another program")}: set PORT to another, or stop what listens there."]);
        }
        catch (SocketException)
        {
            // Without IPv6, say: the host knows what to do.
        }
    }

    private static void Log(ILoggingBuilder logging)
    {
        logging.ClearProviders();
        if (Console.IsOutputRedirected)
        {
            logging.AddJsonConsole(console => console.UseUtcTimestamp = true);
        }
        else
        {
            logging.AddSimpleConsole(console => (console.SingleLine, console.TimestampFormat) = (true, "HH:mm:ss "));
        }

        // The framework's own request logs hold paths, and a path may hold a phone number.
        logging.AddFilter("Microsoft", LogLevel.Warning)
            .AddFilter("Microsoft.AspNetCore.DataProtection", LogLevel.Error)
            .AddFilter("System.Net.Http", LogLevel.Warning)
            .AddFilter("Npgsql", LogLevel.Warning)
            .AddFilter(typeof(ApiKeyAuthentication).FullName, LogLevel.Warning);
    }

    private static void Compose(WebApplicationBuilder builder, GuruSettings settings, Database database)
    {
        builder.WebHost.ConfigureKestrel(kestrel =>
        {
            kestrel.AddServerHeader = false;
            kestrel.Limits.MaxRequestBodySize = MaxBodyBytes;
            kestrel.Limits.RequestHeadersTimeout = HeadersWithin;
            kestrel.ListenAnyIP(settings.Port);
        });
        builder.WebHost.UsePolledSockets();
        builder.Services.Configure<HostOptions>(host => host.ShutdownTimeout = TimeSpan.FromSeconds(10));
        builder.Services.AddSingleton<IHostLifetime, DrainingLifetime>();

        builder.Services.AddSingleton(settings);
        builder.Services.AddSingleton(settings.Secret);
        builder.Services.AddSingleton(settings.Keys);
        builder.Services.AddSingleton(settings.Agents);
        builder.Services.AddSingleton(settings.Calling);
        builder.Services.AddSingleton(new PublicAddress(settings.BaseUrl));
        builder.Services.AddSingleton(Options.Create(settings.Calls));
        builder.Services.AddSingleton(Options.Create(settings.Voice));
        builder.Services.AddSingleton(Options.Create(settings.MediaStream));
        builder.Services.AddSingleton(Options.Create(settings.Memory));
        builder.Services.AddSingleton(Options.Create(settings.Replies));
        builder.Services.AddSingleton(Options.Create(settings.Messages));
        builder.Services.AddSingleton(Options.Create(settings.Work));
        builder.Services.AddSingleton(Options.Create(settings.Traces));
        builder.Services.AddSingleton(Options.Create(settings.Recording));
        builder.Services.AddSingleton(Options.Create(settings.Retention));

        builder.Services.AddEventStore(database, settings.Prices);
        builder.Services.AddJournals(settings.Database.DataDirectory, settings.Journal);
        builder.Services.AddRecordingFiles();
        builder.Services.AddSingleton<IErasureList>(_ => settings.ErasureList());
        builder.Services.AddOpenAI(settings.OpenAI, settings.Text);
        builder.Services.AddTwilio(settings.Twilio, settings.Messenger, settings.Calling.Settings, settings.BaseUrl, settings.Secret);
        builder.Services.AddApplication();
        builder.Services.AddBackgroundWork();
        builder.Services.AddHostedService(provider => provider.GetRequiredService<OutdatedReadModels>());
        builder.Services.AddHostedService(provider => provider.GetRequiredService<RollupFollower>());
        builder.Services.AddSingleton<AskedOnce>();
        builder.Services.AddSingleton(provider => new TwimlAnswers(provider.GetRequiredService<Sentences>(), settings.BaseUrl));

        builder.Services.AddAuthentication(ApiKeyAuthentication.SchemeName)
            .AddScheme<AuthenticationSchemeOptions, ApiKeyAuthentication>(ApiKeyAuthentication.SchemeName, configureOptions: null)
            .AddDashboardCookie();
        builder.Services.AddAuthorizationBuilder()
            .AddPolicy(Roles.Analyst, policy => policy.RequireRole(Roles.Analyst))
            .AddPolicy(Roles.Operator, policy => policy.RequireRole(Roles.Operator))
            .AddPolicy(Roles.Webapp, policy => policy.RequireRole(Roles.Webapp))
            .AddPolicy(Roles.WebappUser, policy => policy.RequireRole(Roles.Webapp, Roles.WebappUser))
            .AddPolicy(Roles.Dashboard, policy => policy.AddAuthenticationSchemes(DashboardCookie.SchemeName).RequireRole(Roles.Dashboard))
            .AddPolicy(Roles.Download, policy => policy.AddAuthenticationSchemes(DashboardCookie.OrKey).RequireRole(Roles.Analyst, Roles.Dashboard));
        builder.Services.AddVoiceAgent(settings.Webapp);
        builder.Services.AddDashboard();
        builder.Services.ConfigureHttpJsonOptions(json =>
        {
            json.SerializerOptions.Converters.Add(new JsonStringEnumConverter(JsonNamingPolicy.CamelCase));
            json.SerializerOptions.Converters.Add(new UtcConverter());
        });
        builder.Services.AddProblemDetails();
        builder.Services.AddExceptionHandler<Refusals>();
        builder.Services.AddOpenApi(GuruOpenApi.Configure);
        builder.Services.AddHealthChecks()
            .AddCheck<PostgresHealth>("database", tags: ["ready"])
            .AddCheck<OutdatedReadModels>("readModels", tags: ["ready"])
            .AddCheck<JournalHealth>("journal", tags: ["ready"])
            .AddCheck<DrainingHealth>("draining", tags: ["ready"]);
        builder.Services.AddHostedService<OtlpExport>();
        builder.Services.AddSingleton<WarmUp>();
        builder.Services.AddHostedService(provider => provider.GetRequiredService<WarmUp>());
    }

    private static void Map(WebApplication app)
    {
        app.UseExceptionHandler();
        app.UseStatusCodePages();
        app.UseCors();
        app.UseAuthentication();
        app.UseAuthorization();
        app.UseRateLimiter();
        app.UseWebSockets();
        app.UseAntiforgery();
        app.UseDashboardHeaders();

        app.MapVoiceWebhooks();
        app.MapMessageWebhooks();
        app.MapCalling();
        app.MapCalls();
        app.MapConversations();
        app.MapPrivacy();
        app.MapVoiceAgent();
        app.MapVoicePage();
        app.MapTranscripts();
        app.MapAnalytics();
        app.MapExports();
        app.MapLive();
        app.MapDashboard();
        app.MapOpenApi();
        app.MapHealthChecks("/health/live", new HealthCheckOptions { Predicate = _ => false });
        app.MapReadiness();
    }
}
