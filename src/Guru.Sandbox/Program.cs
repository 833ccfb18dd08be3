using Guru.Sandbox.Commands;

return await SandboxCommands.Build().Parse(args).InvokeAsync();
