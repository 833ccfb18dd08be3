using System.Collections.Concurrent;
using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using Guru.Sandbox.OpenAI;
using Guru.Sandbox.Twilio;

namespace Guru.Sandbox.Commands;

/// <summary>Guru itself, as a process of its own, with every address pointing at the sandbox.</summary>
public sealed class GuruProcess : IAsyncDisposable
{
    public const string AnalystKey = "sandbox-analyst-key";
    public const string OperatorKey = "sandbox-operator-key";
    public const string OpenAIKey = "sk-sandbox-invented-key";

    /// <summary>Of its log; of a longer one the last are kept.</summary>
    public const int MostLines = 5000;

    static readonly TimeSpan StartLimit = TimeSpan.FromSeconds(90);
    static readonly TimeSpan StopLimit = TimeSpan.FromSeconds(20);

    readonly Process _process;
    readonly ConcurrentQueue<string> _log;
    readonly string? _ownFolder;

    GuruProcess(Process process, Uri address, ConcurrentQueue<string> log, string? ownFolder) =>
        (_process, Address, _log, _ownFolder) = (process, address, log, ownFolder);

    public Uri Address { get; }

    public int ProcessId => _process.Id;

    public IReadOnlyCollection<string> Log => _log;

    /// <summary>Known once it has stopped.</summary>
    public int? ExitCode { get; private set; }

    /// <summary>Starts it, and waits until it takes calls. It gets a data directory of its own unless one is given.</summary>
    /// <param name="sampleCalls">How many invented calls are on record from the beginning.</param>
    /// <exception cref="InvalidOperationException">It is not to be found, or did not start; the message says why.</exception>
    public static async Task<GuruProcess> StartAsync(
        OpenAIStandIn openai, TwilioStandIn twilio, IReadOnlyDictionary<string, string>? settings = null, string? dataFolder = null, int sampleCalls = 0,
        CancellationToken cancellationToken = default)
    {
        var ownFolder = dataFolder is null ? Directory.CreateTempSubdirectory("guru-sandbox-").FullName : null;
        var address = new Uri($"http://127.0.0.1:{FreePort()}");
        GuruProcess Running(string? owned, params IReadOnlyList<string> command) => Run(command, openai, twilio, address, settings, (dataFolder ?? ownFolder)!, owned);
        if (sampleCalls > 0)
        {
            await using var filling = Running(owned: null, "sample-data", $"--calls={sampleCalls}");
            await filling._process.WaitForExitAsync(cancellationToken);
            if (filling._process.ExitCode != 0)
            {
                throw new InvalidOperationException($"The sample calls were not stored:{Environment.NewLine}{filling.LastWords()}");
            }
        }

        var guru = Running(ownFolder);
        try
        {
            await guru.WaitUntilReadyAsync(cancellationToken);
            return guru;
        }
        catch
        {
            await guru.DisposeAsync();
            throw;
        }
    }

    /// <summary>Runs one of its commands, such as templates create, to its end.</summary>
    /// <returns>The exit code, and what it printed.</returns>
    public static async Task<(int ExitCode, IReadOnlyCollection<string> Log)> RunAsync(
        IReadOnlyList<string> command, OpenAIStandIn openai, TwilioStandIn twilio, IReadOnlyDictionary<string, string> settings, string dataFolder,
        CancellationToken cancellationToken = default)
    {
        await using var guru = Run(command, openai, twilio, new Uri($"http://127.0.0.1:{FreePort()}"), settings, dataFolder, ownFolder: null);
        await guru._process.WaitForExitAsync(cancellationToken);
        return (guru._process.ExitCode, guru.Log);
    }

    /// <summary>The contract's variables for a Guru whose world is the sandbox.</summary>
    public static IReadOnlyDictionary<string, string> Variables(Uri openai, TwilioStandIn twilio, Uri address, string dataFolder)
    {
        return new Dictionary<string, string>(StringComparer.Ordinal)
        {
            ["OPENAI_API_KEY"] = OpenAIKey,
            ["OPENAI_BASE_URL"] = openai.ToString().TrimEnd('/'),
            ["TWILIO_ACCOUNT_SID"] = twilio.Options.AccountSid,
            ["TWILIO_AUTH_TOKEN"] = twilio.Options.AuthToken,
            ["TWILIO_WHATSAPP_NUMBER"] = twilio.Options.WhatsAppNumber,
            ["TWILIO_BASE_URL"] = twilio.BaseUrl.GetLeftPart(UriPartial.Authority),
            ["BASE_URL"] = address.GetLeftPart(UriPartial.Authority),
            ["PORT"] = address.Port.ToString(CultureInfo.InvariantCulture),
            ["GURU_DATA_DIR"] = dataFolder,
            ["GURU_ANALYST_KEYS"] = AnalystKey,
            ["GURU_OPERATOR_KEYS"] = OperatorKey,
            ["Guru__Traces__Enabled"] = "true",
        };
    }

    /// <summary>Its end without a word, as when a machine fails. A PostgreSQL of its own would live on: give it a DATABASE_URL.</summary>
    public async Task KillAsync()
    {
        _process.Kill();
        await _process.WaitForExitAsync(CancellationToken.None);
    }

    /// <summary>Asks it to stop, as an operator would, and waits; a Guru that does not stop is killed.</summary>
    public async ValueTask DisposeAsync()
    {
        if (!_process.HasExited)
        {
            using (var kill = Process.Start("kill", ["-TERM", _process.Id.ToString(CultureInfo.InvariantCulture)]))
            {
                await kill.WaitForExitAsync(CancellationToken.None);
            }

            try
            {
                using var limit = new CancellationTokenSource(StopLimit);
                await _process.WaitForExitAsync(limit.Token);
            }
            catch (OperationCanceledException)
            {
                _process.Kill(entireProcessTree: true);
                await _process.WaitForExitAsync(CancellationToken.None);
            }
        }

        ExitCode = _process.ExitCode;
        _process.Dispose();
        if (_ownFolder is not null)
        {
            try
            {
                // Run by root, Guru keeps its database where another user may look, and links to it.
                var postgres = new DirectoryInfo(Path.Combine(_ownFolder, "postgres"));
                if (postgres.Exists && postgres.ResolveLinkTarget(returnFinalTarget: true) is { Exists: true } elsewhere)
                {
                    Directory.Delete(elsewhere.FullName, recursive: true);
                }

                Directory.Delete(_ownFolder, recursive: true);
            }
            catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
            {
                // A temporary folder that stays is no reason to fail.
            }
        }
    }

    static GuruProcess Run(
        IReadOnlyList<string> command, OpenAIStandIn openai, TwilioStandIn twilio, Uri address, IReadOnlyDictionary<string, string>? settings, string folder, string? ownFolder)
    {
        var start = new ProcessStartInfo("dotnet", [Find(), .. command])
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            UseShellExecute = false,

            // Not the caller's directory: a .env file there may hold real keys.
            WorkingDirectory = folder,
        };
        // Nor what the caller's shell has for a Guru in earnest: an invented call is nothing for its database, and real keys are nothing for the stand-ins.
        foreach (var real in (string[])["DATABASE_URL", "GURU_SECRET", "TWILIO_API_KEY", "TWILIO_API_SECRET"])
        {
            start.Environment.Remove(real);
        }

        foreach (var (name, value) in Variables(openai.BaseUrl, twilio, address, folder).Concat(settings ?? new Dictionary<string, string>(StringComparer.Ordinal)))
        {
            start.Environment[name] = value;
        }

        var log = new ConcurrentQueue<string>();
        var process = new Process { StartInfo = start };
        process.OutputDataReceived += (_, line) => Keep(log, line.Data);
        process.ErrorDataReceived += (_, line) => Keep(log, line.Data);
        process.Start();
        process.BeginOutputReadLine();
        process.BeginErrorReadLine();
        return new GuruProcess(process, address, log, ownFolder);
    }

    async Task WaitUntilReadyAsync(CancellationToken cancellationToken)
    {
        using var http = new HttpClient { BaseAddress = Address, Timeout = TimeSpan.FromSeconds(5) };
        var started = Stopwatch.GetTimestamp();
        while (true)
        {
            if (_process.HasExited)
            {
                // Its last words may still be on their way.
                await _process.WaitForExitAsync(cancellationToken);
                throw new InvalidOperationException($"Guru stopped with code {_process.ExitCode}:{Environment.NewLine}{LastWords()}");
            }

            if (Stopwatch.GetElapsedTime(started) > StartLimit)
            {
                throw new InvalidOperationException(
                    $"Guru was not ready within {StartLimit.TotalSeconds:F0} s:{Environment.NewLine}{LastWords()}");
            }

            try
            {
                using var ready = await http.GetAsync(new Uri("/health/ready", UriKind.Relative), cancellationToken);
                if (ready.StatusCode == HttpStatusCode.OK)
                {
                    return;
                }
            }
            catch (Exception error) when (error is HttpRequestException or TaskCanceledException && !cancellationToken.IsCancellationRequested)
            {
                // Not listening yet, or so busy with its start that it does not answer.
            }

            await Task.Delay(100, cancellationToken);
        }
    }

    string LastWords() => string.Join(Environment.NewLine, _log.TakeLast(30));

    static void Keep(ConcurrentQueue<string> log, string? line)
    {
        if (line is null)
        {
            return;
        }

        log.Enqueue(line);
        while (log.Count > MostLines)
        {
            log.TryDequeue(out _);
        }
    }

    /// <summary>GURU_API, or what was built beside the sandbox.</summary>
    static string Find()
    {
        if (Environment.GetEnvironmentVariable("GURU_API") is { Length: > 0 } named)
        {
            return File.Exists(named) ? Path.GetFullPath(named)
                : throw new InvalidOperationException($"GURU_API names {named}, which is not there.");
        }

        var beside = Path.Combine(AppContext.BaseDirectory, "Guru.Api.dll");
        if (File.Exists(beside))
        {
            return beside;
        }

        var ours = new DirectoryInfo(AppContext.BaseDirectory).Parent?.Name ?? "Debug";
        for (var folder = new DirectoryInfo(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
        {
            foreach (var configuration in (string[])[ours, "Release", "Debug"])
            {
                var built = Path.Combine(folder.FullName, "src", "Guru.Api", "bin", configuration, "net10.0", "Guru.Api.dll");
                if (File.Exists(built))
                {
                    return built;
                }
            }
        }

        throw new InvalidOperationException("Guru is not built: run 'dotnet build' first, or name Guru.Api.dll in GURU_API.");
    }

    static int FreePort()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        return ((IPEndPoint)listener.LocalEndpoint).Port;
    }
}
