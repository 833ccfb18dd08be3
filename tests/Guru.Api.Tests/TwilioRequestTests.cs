using System.Net;
using System.Text;
using Guru.Api.Security;
using Guru.Infrastructure.Twilio;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Shouldly;

namespace Guru.Api.Tests;

public sealed class TwilioRequestTests : ILogger<TwilioRequest>
{
    private const string Path = "/api/whatsapp/voice/status";
    private readonly List<string> _log = [];

    [Theory]
    [InlineData("CallSid=CA1&Body=landlord%00", "invalid characters")]
    [InlineData("landlord%00=1", "invalid characters")]
    [InlineData(null, "count limit 1024 exceeded")]
    public async Task A_form_that_cannot_be_read_is_refused_for_that_and_its_words_are_not_logged(string? body, string because)
    {
        body ??= string.Join('&', Enumerable.Range(0, 1_025).Select(number => $"landlord{number}=1"));
        (await AnswerAsync(body)).ShouldBe(StatusCodes.Status403Forbidden);

        var line = _log.ShouldHaveSingleItem();
        line.ShouldStartWith($"{Path} was refused: its form cannot be read");
        line.ShouldContain(because);
        line.ShouldNotContain("landlord");
    }

    [Fact]
    public async Task A_form_that_is_not_signed_is_refused_for_that()
    {
        (await AnswerAsync("CallSid=CA1")).ShouldBe(StatusCodes.Status403Forbidden);

        _log.ShouldHaveSingleItem().ShouldStartWith($"{Path} was refused: not signed for this address (signature present: True, 1 fields)");
    }

    [Fact]
    public async Task A_form_in_an_encoding_that_nobody_reads_any_more_is_refused()
    {
        (await AnswerAsync("CallSid=CA1", "application/x-www-form-urlencoded; charset=utf-7")).ShouldBe(StatusCodes.Status403Forbidden);

        _log.ShouldHaveSingleItem().ShouldStartWith($"{Path} was refused: its form cannot be read");
    }

    [Theory]
    [InlineData("B=2&B=1&B=2&A=x&a=y", HttpStatusCode.OK)]
    [InlineData("B=2&B=1&B=2&A=x&A=y", HttpStatusCode.Forbidden)]
    public async Task Names_that_differ_in_case_alone_are_two_over_HTTP_too(string body, HttpStatusCode status)
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.WebHost.UseUrls("http://127.0.0.1:0");
        builder.Logging.ClearProviders();
        builder.Services.AddSingleton(new TwilioSignature(["invented-token-for-fact-sheet"], "https://voice.example.org"));
        await using var app = builder.Build();
        app.MapPost("/twilio/dup", (HttpContext context) => $"{context.Request.Form["a"]} {context.Request.Form["A"]} {context.Request.Form["B"]}").AddEndpointFilter<TwilioRequest>();
        await app.StartAsync();
        using var http = new HttpClient { BaseAddress = new Uri(app.Urls.Single()) };
        using var form = new StringContent(body, Encoding.ASCII, "application/x-www-form-urlencoded");
        form.Headers.Add(TwilioSignature.Header, "n2H7Gxzht4grWeJCJjNskRoT0Dg=");

        using var answer = await http.PostAsync(new Uri("/twilio/dup", UriKind.Relative), form);

        answer.StatusCode.ShouldBe(status);
        var told = await answer.Content.ReadAsStringAsync();
        if (status == HttpStatusCode.OK)
        {
            told.ShouldBe("y x 2,1,2");
        }
        else
        {
            answer.Content.Headers.ContentType!.MediaType.ShouldBe("application/problem+json");
        }
    }

    IDisposable? ILogger.BeginScope<TState>(TState state) => null;

    bool ILogger.IsEnabled(LogLevel logLevel) => true;

    void ILogger.Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter) =>
        _log.Add(formatter(state, exception));

    private async Task<int> AnswerAsync(string body, string type = "application/x-www-form-urlencoded")
    {
        var context = new DefaultHttpContext
        {
            Request =
            {
                Method = HttpMethods.Post,
                ContentType = type,
                Body = new MemoryStream(Encoding.ASCII.GetBytes(body)),
                Headers = { ["X-Twilio-Signature"] = "YLiE2Q4vY6RQ7URDuA9og+XsubI=" },
            },
        };
        context.Features.GetRequiredFeature<IHttpRequestFeature>().RawTarget = Path;
        var filter = new TwilioRequest(new TwilioSignature(["a token"], "https://guru.example.org"), this);
        var answer = await filter.InvokeAsync(EndpointFilterInvocationContext.Create(context), _ => throw new InvalidOperationException("It was let through."));
        return answer.ShouldBeOfType<ProblemHttpResult>().StatusCode;
    }
}
