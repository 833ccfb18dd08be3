using System.CommandLine;
using Guru.Sandbox.Commands;

// Ctrl+C leaves Guru, which is a process of its own, the time that it needs to stop in good order.
return await SandboxCommands.Build().Parse(args).InvokeAsync(new InvocationConfiguration { ProcessTerminationTimeout = TimeSpan.FromSeconds(30) });
