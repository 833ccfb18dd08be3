return await Guru.Api.Hosting.CommandLine.RunAsync(args);
