namespace Guru.Sandbox.Twilio;

/// <summary>One signed request to the application, with the time limit and the retry of an untouched configuration.</summary>
static class Webhook
{
    /// <summary>All tries together.</summary>
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(15);

    /// <returns>The answer, read to its end; null when there was none in time.</returns>
    public static async Task<HttpResponseMessage?> SendAsync(
        TwilioStandIn twilio, Uri url, HttpMethod method, Dictionary<string, string> parameters, string idempotencyToken, bool voice)
    {
        using var limit = new CancellationTokenSource(Limit);
        for (var attempt = 0; ; attempt++)
        {
            try
            {
                using var request = twilio.Signed(url, method, parameters, idempotencyToken, voice);
                var response = await twilio.Http.SendAsync(request, limit.Token);
                await response.Content.LoadIntoBufferAsync(limit.Token);
                return response;
            }
            catch (HttpRequestException exception) when (attempt == 0
                && exception.HttpRequestError is HttpRequestError.ConnectionError or HttpRequestError.SecureConnectionError)
            {
                // Only a failed connect is tried again, once, under the same token.
            }
            catch (Exception exception) when (exception is HttpRequestException or OperationCanceledException or ObjectDisposedException)
            {
                return null;
            }
        }
    }
}
