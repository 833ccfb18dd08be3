using Guru.Sandbox.Audio;
using Guru.Sandbox.OpenAI;
using Shouldly;

namespace Guru.Sandbox.Tests.OpenAI;

/// <summary>The rules of Brain.yaml for what is written.</summary>
public sealed class Writing
{
    private const string BillEn = "I got a bill from the hospital for 800 dollars";

    [Theory]
    [InlineData("I got a bill", "bill-answer", "en")]
    [InlineData("Recibí una factura", "bill-answer", "es")]
    [InlineData("J'ai reçu une facture", "bill-answer", "fr")]
    [InlineData("Mwen resevwa yon bòdwo", "bill-answer", "ht")]
    [InlineData("Hmm", "tell-me-more", "en")]
    [InlineData("Привіт, як справи?", "tell-me-more", "uk")]
    [InlineData("مرحبا", "tell-me-more", "ar")]
    [InlineData("你好", "tell-me-more", "zh")]
    [InlineData("Xin chào", "tell-me-more", "vi")]
    [InlineData("Merhaba, bir sorum var", "tell-me-more", "tr")]
    [InlineData("Olá, tenho uma pergunta", "tell-me-more", "pt")]
    public void The_answer_follows_the_words_in_the_language_of_the_words(string said, string line, string language) =>
        Write("", [new("user", said)]).ShouldBe(Brain.Shipped.Text(line, language));

    [Theory]
    [InlineData("You are the healthcare advisor of Guru.", "ask-healthcare", null)]
    [InlineData("You are the financial advisor. Hand over to the legal advisor when it is about law.", "ask-financial", null)]
    [InlineData("You are the legal advisor of Guru.", "ask-legal", "not-advice")]
    [InlineData("You are the general advisor of Guru.", "tell-me-more", null)]
    public void The_advisor_is_the_one_whom_the_instructions_name_first(string instructions, string line, string? always)
    {
        Write(instructions, [new("user", "Hello, I have a question")]).ShouldBe(Lines("en", line, always));
        Write(instructions, [new("user", "Hola, tengo una pregunta")]).ShouldBe(Lines("es", line, always));
    }

    [Fact]
    public void The_legal_advisor_says_once_that_it_is_no_advice() =>
        Write("You are the legal advisor.", [new("user", "My student visa ends soon")]).ShouldBe(SampleLibrary.Shipped["visa-answer-en"].Text);

    [Fact]
    public void A_bill_of_earlier_is_remembered_and_a_bill_of_now_is_only_answered()
    {
        Write("", [new("user", BillEn)]).ShouldBe(Brain.Shipped.Text("bill-answer", "en"));
        Write("", [new("user", BillEn), new("assistant", "..."), new("user", "What was I told?")]).ShouldBe(Lines("en", "remember-bill", "tell-me-more"));
        Write("", [new("user", BillEn), new("assistant", "..."), new("user", "¿Y la factura?")]).ShouldBe(Lines("es", "remember-bill", "bill-answer"));
        Write("", [new("system", $"In a call: {BillEn}"), new("user", "Hello again")]).ShouldStartWith("I remember");
        Write($"Earlier: {BillEn}.", [new("user", "Hello again")]).ShouldStartWith("I remember");
        Write("The present conversation so far (UTC):\n[10:00] Caller in writing: my hospital bill", [new("user", "Hello again")]).ShouldStartWith("I remember");
        Write("You know all about a hospital bill.", [new("user", "Hello")]).ShouldNotContain("remember");
    }

    [Fact]
    public void A_burst_is_answered_as_one_message()
    {
        WrittenTurn[] burst = [new("user", "Hello"), new("assistant", "Hi."), new("user", "I got"), new("user", "a letter"), new("user", "a bill!")];
        new WrittenInput("", burst).Said.ShouldBe("I got\na letter\na bill!");
        Write("", burst).ShouldBe(Brain.Shipped.Text("bill-answer", "en"));
    }

    [Fact]
    public void A_word_that_tells_nothing_is_answered_in_the_language_of_before() =>
        Write("", [new("user", "Hola, tengo una factura"), new("assistant", "..."), new("user", "OK")]).ShouldBe(Brain.Shipped.Text("tell-me-more", "es"));

    [Fact]
    public void A_word_that_tells_nothing_is_answered_in_the_language_that_is_asked_for() =>
        Write("Speak the caller's language. The caller's language is fr (ISO 639-1).", [new("user", "OK")]).ShouldBe(Brain.Shipped.Text("tell-me-more", "fr"));

    [Theory]
    [InlineData("My visa and the rent", "legal", 0.9, "financial")]
    [InlineData("The bank and the taxes", "financial", 0.9)]
    [InlineData("That is different, currently", "general", 0.3)]
    [InlineData("Two doctors", "healthcare", 0.9)]
    [InlineData("Las facturas", "healthcare", 0.9)]
    public void A_route_is_a_whole_word(string said, string agent, double confidence, params string[] others)
    {
        var route = Brain.Shipped.Decide(said, ["healthcare", "financial", "legal", "general"]);
        (route.Agent, route.Confidence).ShouldBe((agent, confidence));
        route.Alternatives.ShouldBe(others);
    }

    [Fact]
    public void The_greeting_of_a_call_refers_to_what_was_written()
    {
        Greeting([]).ShouldBe("greeting-en");
        Greeting([new("1", "message", "system", $"Language: es. They wrote: {BillEn}")]).ShouldBe("greeting-bill-es");
        Greeting([new("1", "message", "system", "They wrote about a hospital bill.")]).ShouldBe("greeting-bill-en");

        static string? Greeting(IReadOnlyList<ContextItem> items) =>
            Brain.Shipped.Reply(new ReplyContext("greeting", "You are the healthcare advisor.", items, [], 1)).Sample?.Id;
    }

    private static string Write(string instructions, IReadOnlyList<WrittenTurn> turns) => Brain.Shipped.Write(new WrittenInput(instructions, turns));

    private static string Lines(string language, params string?[] lines) =>
        string.Join(' ', lines.OfType<string>().Select(line => Brain.Shipped.Text(line, language)));
}
