using Guru.Application.Voice;
using Guru.Application.VoiceSessions;
using Guru.Domain.Calls;
using Shouldly;

namespace Guru.Application.Tests.Voice;

public sealed class LanguageOfTheCaller
{
    [Fact]
    public void Is_another_one_after_two_utterances_in_a_row()
    {
        var call = Speaking("en", "es", "es");

        call.Languages.ShouldHaveSingleItem().ShouldBe(new CallLanguageDetermined("es", "call", PhoneCall.Zero + call.Now));
        call.Decisions.OfType<ConfigureModel>().ShouldHaveSingleItem().ShouldBe(new ConfigureModel("general", "es", IsFresh: false));
    }

    [Theory]
    [InlineData("en", "es")]
    [InlineData("en", "es,en,es")]
    [InlineData("en", "es,ht")]
    [InlineData("en", "en,en")]
    [InlineData("en", "es,-,unknown,toolong")]
    [InlineData("", "es")]
    public void Is_not_changed_by_less(string known, string heard) => Speaking(known, heard.Split(',')).Languages.ShouldBeEmpty();

    [Theory]
    [InlineData("", "es,es", "es")]
    [InlineData("en", "es,es,es", "es")]
    [InlineData("en", "es,-,es", "es")]
    [InlineData("en", "pt-BR,PT", "pt")]
    [InlineData("en", "es,es,en,en", "es,en")]
    public void Is_told_once_where_it_is_confirmed(string known, string heard, string told) =>
        Speaking(known, heard.Split(',')).Languages.Select(language => language.Language).ShouldBe(told.Split(','));

    [Fact]
    public void Is_what_the_caller_asks_for_and_stays_it_whatever_they_speak()
    {
        var call = PhoneCall.Greeted();
        call.Model.Begins("r");
        call.Model.Uses("r", VoiceTools.SetLanguage, arguments: """{"language":"fr"}""");
        call.Model.Finishes("r");
        Speaks(call, "es", "es", "es");

        call.Languages.ShouldHaveSingleItem().ShouldBe(new CallLanguageDetermined("fr", "request", call.Languages[0].At));
        call.Told.OfType<AnswerTool>().ShouldHaveSingleItem().Output.ShouldBe("""{"language":"fr"}""");
        call.Told.OfType<CreateResponse>().Last().ShouldBe(new CreateResponse("tool", Instructions: null, ToolsAllowed: false));
    }

    [Fact]
    public void Is_not_spoken_of_twice_by_an_agent_who_answered_as_it_changed_it()
    {
        var call = PhoneCall.Greeted();
        ChangesLanguageSaying(call, "Bien sûr.");
        call.Passes(1000);

        call.Asked.ShouldBe(["greeting"]);
        call.Languages.Count.ShouldBe(1);
    }

    [Fact]
    public void Is_gone_on_in_by_an_agent_who_said_only_a_word_before_it_was_changed()
    {
        var call = PhoneCall.Greeted();
        ChangesLanguageSaying(call, "Un instant.");
        var heard = call.Now;
        call.PassesUntil(() => call.Asked[^1] != "greeting");

        call.Asked.ShouldBe(["greeting", "tool"]);
        (call.Now - heard).ShouldBeInRange(TimeSpan.FromSeconds(3), TimeSpan.FromSeconds(4));
        call.Model.Speaks("tool", 500, "Voilà.");
        call.PassesUntil(() => call.Asked[^1] != "tool");
        call.Asked[^1].ShouldBe("reprompt");
    }

    [Fact]
    public void Is_left_at_what_was_said_of_it_where_the_caller_speaks_next()
    {
        var call = PhoneCall.Greeted();
        ChangesLanguageSaying(call, "Bien sûr. Quel hôpital ?");
        Speaks(call, "fr");
        call.Passes(5000);

        call.Asked.ShouldBe(["greeting"]);
    }

    [Theory]
    [InlineData("""{"language":"klingon"}""")]
    [InlineData("""{"language":"e1"}""")]
    [InlineData("""{"language":["es"]}""")]
    [InlineData("{}")]
    [InlineData("")]
    public void Is_not_set_to_what_is_none(string arguments)
    {
        var call = PhoneCall.Greeted();
        var response = call.Model.Begins();
        call.Model.Uses(response, VoiceTools.SetLanguage, arguments: arguments);
        call.Model.Finishes(response);

        call.Languages.ShouldBeEmpty();
        call.Told.OfType<AnswerTool>().ShouldHaveSingleItem().Output.ShouldContain("error");
        call.Asked[^1].ShouldBe("tool");
    }

    [Fact]
    public void Is_that_of_the_question_after_silence_and_of_the_goodbye()
    {
        var call = Speaking("en", "es", "es");
        call.Model.Speaks("answer", 500, "Sí.");
        call.PassesUntil(() => call.Asked[^1] == "reprompt");
        call.Told.OfType<CreateResponse>().Last().Instructions!.ShouldContain("in the caller's language, es");
        call.Model.Speaks("still_there", 500, "¿Sigue ahí?");
        call.PassesUntil(() => call.Asked[^1] == "goodbye");
        call.Told.OfType<CreateResponse>().Last().Instructions!.ShouldContain("in the caller's language, es");
    }

    [Fact]
    public void Is_that_of_the_sessions_that_follow()
    {
        var call = Speaking("en", "es", "es");
        call.Model.Speaks("answer", 500, "Sí.");
        call.Model.Closes();

        call.Decisions.OfType<DialModel>().Last().ShouldBe(new DialModel("dropped", "general", "es"));
    }

    private static PhoneCall Speaking(string known, params string[] languages)
    {
        var call = new PhoneCall(language: known.Length == 0 ? null : known);
        call.Model.IsReady();
        call.Model.Speaks("greeting", 1000, "Hello, this is Guru.");
        call.Passes(1500);
        Speaks(call, languages);
        return call;
    }

    /// <summary>In one response, as models do that say a word before they use a tool.</summary>
    private static void ChangesLanguageSaying(PhoneCall call, string words)
    {
        call.Model.Begins("r");
        call.Model.Says("r", "item", 500, words);
        call.Model.Uses("r", VoiceTools.SetLanguage, arguments: """{"language":"fr"}""");
        call.Model.EndsItem("r", "item", words);
        call.Model.Finishes("r");
    }

    private static void Speaks(PhoneCall call, params string[] languages)
    {
        foreach (var (language, number) in languages.Select((language, number) => (language, number)))
        {
            call.Caller.Begins($"c{number}");
            call.Passes(800);
            call.Caller.Stops($"c{number}");
            call.Caller.IsTranscribed($"c{number}", "words", language == "-" ? null : language);
        }
    }
}
