using Guru.Sandbox.Commands;
using Guru.Sandbox.OpenAI;
using Guru.Sandbox.Twilio;

namespace Guru.EndToEnd.Tests;

/// <summary>The sandbox is started where somebody has settings for a Guru in earnest.</summary>
public sealed class InSomebodysShell
{
    [Fact]
    public async Task The_sandboxs_Guru_leaves_the_database_and_the_secret_alone()
    {
        await using var openAI = await OpenAIStandIn.StartAsync(new OpenAIStandInOptions { ApiKey = GuruProcess.OpenAIKey });
        await using var twilio = await TwilioStandIn.StartAsync();
        var folder = Directory.CreateTempSubdirectory("guru-shell-").FullName;
        Environment.SetEnvironmentVariable("DATABASE_URL", "no database");
        Environment.SetEnvironmentVariable("GURU_SECRET", "short");
        try
        {
            // It stops at once for the one thing that is wrong, and would name the others.
            var (exitCode, log) = await GuruProcess.RunAsync([], openAI, twilio, new Dictionary<string, string>(StringComparer.Ordinal) { ["PORT"] = "none" }, folder);

            var told = string.Join('\n', log);
            exitCode.ShouldNotBe(0, told);
            told.ShouldContain("PORT");
            told.ShouldNotContain("DATABASE_URL");
            told.ShouldNotContain("GURU_SECRET");
        }
        finally
        {
            Environment.SetEnvironmentVariable("DATABASE_URL", null);
            Environment.SetEnvironmentVariable("GURU_SECRET", null);
            Directory.Delete(folder, recursive: true);
        }
    }
}
