using System.Security.Cryptography;

namespace Guru.Sandbox.Twilio;

static class TwilioIds
{
    /// <summary>Two letters and 32 hex digits.</summary>
    public static string New(string prefix) => prefix + Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(16));
}
