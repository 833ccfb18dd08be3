using System.Collections.Frozen;

namespace Guru.Domain.Callers;

/// <summary>Languages are ISO 639-1 wherever Guru tells of one. Models also say hat, pt-BR or something of their own.</summary>
public static class LanguageCode
{
    private const int LongestTag = 35;

    /// <summary>The codes of three letters, each before its code of two: those of ISO 639-2, for terms and for catalogues, that have one.</summary>
    private const string Known =
        """
        aaraa abkab afraf akaak albsq amham araar argan armhy asmas avaav aveae aymay azeaz bakba bambm baqeu belbe benbn bisbi bodbo bosbs brebr bulbg burmy
        catca cescs chach chece chizh chucu chvcv corkw cosco crecr cymcy czecs danda deude divdv dutnl dzodz ellel engen epoeo estet euseu eweee faofo fasfa
        fijfj finfi frafr frefr fryfy fulff geoka gerde glagd glega glggl glvgv greel grngn gujgu hatht hauha hebhe herhz hinhi hmoho hrvhr hunhu hyehy iboig
        iceis idoio iiiii ikuiu ileie inaia indid ipkik islis itait javjv jpnja kalkl kankn kasks katka kaukr kazkk khmkm kikki kinrw kirky komkv konkg korko
        kuakj kurku laolo latla lavlv limli linln litlt ltzlb lublu luglg macmk mahmh malml maomi marmr mayms mkdmk mlgmg mltmt monmn mrimi msams myamy nauna
        navnv nblnr ndend ndong nepne nldnl nnonn nobnb norno nyany ocioc ojioj orior ormom ossos panpa perfa plipi polpl porpt pusps quequ rohrm ronro rumro
        runrn rusru sagsg sansa sinsi slksk slosk slvsl smese smosm snasn sndsd somso sotst spaes sqisq srdsc srpsr sswss sunsu swasw swesv tahty tamta tattt
        telte tgktg tgltl thath tibbo tirti tonto tsntn tsots tuktk turtr twitw uigug ukruk urdur uzbuz venve vievi volvo welcy wlnwa wolwo xhoxh yidyi yoryo
        zhaza zhozh zulzu
        """;

    private static readonly FrozenDictionary<string, string> OfThreeLetters =
        Known.Split((char[])[' ', '\n'], StringSplitOptions.RemoveEmptyEntries).ToFrozenDictionary(pair => pair[..3], pair => pair[3..], StringComparer.Ordinal);

    /// <returns>The ISO 639-1 code in a text such as es, pt-BR or hat; null where there is none.</returns>
    public static string? Of(string? text)
    {
        if (text is not { Length: >= 2 and <= LongestTag })
        {
            return null;
        }

        var end = text.AsSpan().IndexOfAny('-', '_');
        var code = text[..(end < 0 ? text.Length : end)].ToLowerInvariant();
        return !code.All(char.IsAsciiLetter) ? null : code.Length == 2 ? code : OfThreeLetters.GetValueOrDefault(code);
    }
}
