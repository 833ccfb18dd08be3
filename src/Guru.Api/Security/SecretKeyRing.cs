using System.Globalization;
using System.Security.Cryptography;
using System.Xml.Linq;
using Guru.Application;
using Microsoft.AspNetCore.DataProtection.AuthenticatedEncryption.ConfigurationModel;
using Microsoft.AspNetCore.DataProtection.KeyManagement;
using Microsoft.AspNetCore.DataProtection.Repositories;
using Microsoft.Extensions.Options;

namespace Guru.Api.Security;

/// <summary>
/// A key ring of ASP.NET Core Data Protection with one key, which is derived from GURU_SECRET: what one node protects, every node
/// reads, and nothing has to be kept or passed on.
/// </summary>
internal sealed class SecretKeyRing(ServerSecret secret) : IXmlRepository, IConfigureOptions<KeyManagementOptions>
{
    private const int MasterKeyBytes = 64;

    public void Configure(KeyManagementOptions options) => (options.XmlRepository, options.AutoGenerateKeys) = (this, false);

    public IReadOnlyCollection<XElement> GetAllElements() =>
    [
        new XElement(
            "key",
            new XAttribute("id", new Guid(Derive("data-protection-key-id", 16))),
            new XAttribute("version", 1),
            new XElement("creationDate", Date(DateTimeOffset.UnixEpoch)),
            new XElement("activationDate", Date(DateTimeOffset.UnixEpoch)),
            new XElement("expirationDate", Date(DateTimeOffset.MaxValue)),
            new XElement(
                "descriptor",
                new XAttribute("deserializerType", typeof(AuthenticatedEncryptorDescriptorDeserializer).AssemblyQualifiedName!),
                new XElement(
                    "descriptor",
                    new XElement("encryption", new XAttribute("algorithm", "AES_256_CBC")),
                    new XElement("validation", new XAttribute("algorithm", "HMACSHA256")),
                    new XElement("masterKey", new XElement("value", Convert.ToBase64String(Derive("data-protection-master-key", MasterKeyBytes))))))),
    ];

    public void StoreElement(XElement element, string friendlyName) => throw new NotSupportedException("The one key is derived.");

    private byte[] Derive(string purpose, int length) =>
        HKDF.DeriveKey(HashAlgorithmName.SHA256, secret.Value.ToArray(), length, info: System.Text.Encoding.UTF8.GetBytes(purpose));

    private static string Date(DateTimeOffset at) => at.UtcDateTime.ToString("yyyy-MM-ddTHH:mm:ssZ", CultureInfo.InvariantCulture);
}
