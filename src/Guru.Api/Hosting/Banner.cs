using Guru.Infrastructure.Postgres;

namespace Guru.Api.Hosting;

/// <summary>What an operator wants to know at the start: where Guru listens, and what to enter at Twilio.</summary>
internal static class Banner
{
    public static void Print(WebApplication app, GuruSettings settings, Database database) => Console.WriteLine(
        $"""

        Guru is ready.
          listening      {string.Join(", ", app.Urls)}
          public address {settings.BaseUrl}
          calls          {settings.BaseUrl}/api/whatsapp/voice/webhook   (POST, the TwiML app's voice URL)
                         {settings.BaseUrl}/api/whatsapp/voice/status    (POST, the TwiML app's status callback)
          messages       {settings.BaseUrl}/api/whatsapp/webhook         (POST, the sender's webhook)
                         {settings.BaseUrl}/api/whatsapp/status          (POST, named in each message that is sent)
          OpenAPI        {settings.BaseUrl}/openapi/v1.json
          model          {settings.Voice.Model} at {settings.OpenAI.BaseUrl}, voice {settings.Voice.Voice}
          database       {(database.IsEmbedded ? $"embedded PostgreSQL in {Path.GetFullPath(settings.Database.DataDirectory)}" : "DATABASE_URL")}
          event store    {EventStoreEdition.Name}

        """);
}
