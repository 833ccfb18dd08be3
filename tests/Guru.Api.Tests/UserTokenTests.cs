using System.Text;
using Guru.Api.Security;
using Guru.Application;
using Microsoft.AspNetCore.DataProtection;
using Microsoft.AspNetCore.DataProtection.KeyManagement;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Options;
using Shouldly;

namespace Guru.Api.Tests;

public sealed class UserTokenTests
{
    private static readonly UserToken Token = new("0123456789abcdef0123456789abcdef", "+15550100001", "legal", "key");

    [Fact]
    public void A_token_of_one_node_is_good_on_every_node_with_the_same_secret()
    {
        var (token, _) = Node("0123456789abcdef").Issue(Token, TimeSpan.FromMinutes(1));

        Node("0123456789abcdef").Read(token).ShouldBe(Token);
        Node("another-secret-of-another-guru").Read(token).ShouldBeNull();
    }

    [Fact]
    public void A_token_shows_nothing_of_its_owner() =>
        Node("0123456789abcdef").Issue(Token, TimeSpan.FromMinutes(1)).Token.ShouldNotContain("15550100001");

    private static UserTokens Node(string secret)
    {
        var ring = new SecretKeyRing(new ServerSecret(Encoding.UTF8.GetBytes(secret)));
        var services = new ServiceCollection().AddSingleton<IConfigureOptions<KeyManagementOptions>>(ring);
        services.AddDataProtection().SetApplicationName("Guru");
        return new UserTokens(services.BuildServiceProvider().GetRequiredService<IDataProtectionProvider>(), TimeProvider.System);
    }
}
