namespace Guru.Sandbox.Twilio;

static class MessageErrors
{
    public static string TextOf(int code) => code switch
    {
        63013 => "Channel policy violation",
        63016 => "Failed to send freeform message because you are outside the allowed window. Please use a Template.",
        63018 => "Rate limit exceeded for Channel",
        63024 => "Invalid message recipient",
        63033 => "Recipient User has been blocked from receiving this message",
        _ => "The message was not delivered.",
    };
}
