using Guru.Application;
using MediatR;
using Microsoft.Extensions.DependencyInjection;
using Shouldly;

namespace Guru.Api.Tests;

public sealed class CompositionTests
{
    [Fact]
    public void Every_request_has_a_handler()
    {
        var services = new ServiceCollection().AddApplication();
        var requests = typeof(Registration).Assembly.GetTypes()
            .SelectMany(type => type.GetInterfaces(), (type, contract) => (Request: type, Contract: contract))
            .Where(pair => pair.Contract.IsGenericType && pair.Contract.GetGenericTypeDefinition() == typeof(IRequest<>))
            .Select(pair => typeof(IRequestHandler<,>).MakeGenericType(pair.Request, pair.Contract.GetGenericArguments()[0]))
            .ToList();

        requests.ShouldNotBeEmpty();
        requests.ShouldAllBe(handler => services.Any(service => service.ServiceType == handler));
    }
}
