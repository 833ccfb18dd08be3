Guru.Infrastructure.Sockets.InlineSockets.SpreadOverCores();
return await Guru.Api.Hosting.CommandLine.RunAsync(args);
