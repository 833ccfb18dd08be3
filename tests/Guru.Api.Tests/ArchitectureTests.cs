using System.Reflection.Metadata;
using System.Reflection.PortableExecutable;
using Shouldly;

namespace Guru.Api.Tests;

/// <summary>Which way the arrows point, read from the assemblies as they were compiled.</summary>
public sealed class ArchitectureTests
{
    private static readonly string[] Runtime = ["System.", "netstandard", "mscorlib"];

    [Fact]
    public void The_domain_knows_nothing_but_the_runtime() => Others("Guru.Domain").ShouldBeEmpty();

    [Fact]
    public void The_application_knows_the_domain_and_no_adapter() =>
        Others("Guru.Application", "Guru.Domain", "MediatR", "FluentValidation", "Microsoft.Extensions.").ShouldBeEmpty();

    [Fact]
    public void The_adapters_do_not_know_the_host_or_the_sandbox() =>
        References("Guru.Infrastructure").Intersect(["Guru.Api", "Guru.Sandbox"], StringComparer.Ordinal).ShouldBeEmpty();

    [Fact]
    public void The_sandbox_knows_nothing_of_guru_but_the_wire()
    {
        var sandbox = Path.Combine(AppContext.BaseDirectory, "Guru.Sandbox.dll");
        if (File.Exists(sandbox))
        {
            References("Guru.Sandbox").Where(name => name.StartsWith("Guru.", StringComparison.Ordinal)).ShouldBeEmpty();
        }
    }

    [Theory]
    [InlineData("Guru.Domain")]
    [InlineData("Guru.Application")]
    [InlineData("Guru.Infrastructure")]
    public void Nobody_reads_a_clock_that_a_test_cannot_set(string assembly) =>
        Calls(assembly).Intersect(
        [
            "DateTime.get_Now", "DateTime.get_UtcNow", "DateTime.get_Today", "DateTimeOffset.get_Now", "DateTimeOffset.get_UtcNow",
        ], StringComparer.Ordinal).ShouldBeEmpty();

    [Fact]
    public void The_ban_on_clocks_sees_a_clock()
    {
        _ = DateTimeOffset.UtcNow;
        Calls("Guru.Api.Tests").ShouldContain("DateTimeOffset.get_UtcNow");
    }

    private static List<string> Others(string assembly, params string[] allowed) =>
        [.. References(assembly).Where(name => !Runtime.Concat(allowed).Any(prefix => name.StartsWith(prefix, StringComparison.Ordinal)))];

    private static List<string> References(string assembly) => Read(assembly, metadata =>
        metadata.AssemblyReferences.Select(handle => metadata.GetString(metadata.GetAssemblyReference(handle).Name)).ToList());

    private static List<string> Calls(string assembly) => Read(assembly, metadata =>
        metadata.MemberReferences
            .Select(metadata.GetMemberReference)
            .Where(member => member.Parent.Kind == HandleKind.TypeReference)
            .Select(member => $"{metadata.GetString(metadata.GetTypeReference((TypeReferenceHandle)member.Parent).Name)}.{metadata.GetString(member.Name)}")
            .ToList());

    private static T Read<T>(string assembly, Func<MetadataReader, T> read)
    {
        using var file = new PEReader(File.OpenRead(Path.Combine(AppContext.BaseDirectory, assembly + ".dll")));
        return read(file.GetMetadataReader());
    }
}
