using Guru.Api.Calls;
using Guru.Api.Reading;
using Guru.Api.Security;
using Guru.Application;
using Guru.Application.Callers;
using Guru.Application.Transcripts;
using Guru.Domain.Calls;

namespace Guru.Api.Transcripts;

/// <summary>What analysts search.</summary>
internal static class TranscriptEndpoints
{
    private static readonly QueryParameter[] Parameters =
    [
        QueryParameter.Text("q", "What to find: words, \"a phrase\", begin*, -without. All of them have to be in one utterance.") with { Required = true },
        QueryParameter.OneOf<Speaker>("speaker", "Who said it."),
        QueryParameter.Flag("unheard", "true: only what was said and did not reach the caller's ear."),
        QueryParameter.Text("agent", "Which agent spoke, or was spoken to."),
        QueryParameter.Text("language", "ISO 639-1, of the utterance or of its call."),
        QueryParameter.Flag("interrupted", "Whether the caller cut it off."),
        QueryParameter.Text("callerId", "In the calls of this caller."),
        QueryParameter.Text("phoneNumber", "In the calls of the caller with this number."),
        QueryParameter.Text("callSid", "In this call."),
        QueryParameter.Time("at.from", "Recorded at this time or later."),
        QueryParameter.Time("at.to", "Recorded before this time."),
    ];

    public static void MapTranscripts(this WebApplication app) =>
        app.MapGroup("/api/transcripts").RequireAuthorization(Roles.Analyst).WithTags("Transcripts")
            .ProducesProblem(StatusCodes.Status401Unauthorized).ProducesProblem(StatusCodes.Status403Forbidden)
            .MapGet("/search", SearchAsync)
            .WithSummary($"Utterances that hold what is searched for, the best of the newest {ITranscriptQueries.MostHits} first; snippet is safe HTML.")
            .WithPages<SearchPage>(Parameters);

    private static async Task<IResult> SearchAsync(ITranscriptQueries transcripts, CallerNames callers, HttpContext context, CancellationToken cancellationToken)
    {
        var query = new QueryReader(context.Request.Query);
        var search = await query.SearchOfAsync(callers, cancellationToken);
        if (search is null && !context.Request.Query.ContainsKey("q"))
        {
            query.Refuse("q", "is missing");
        }

        return await query.PageAsync(
            context, (limit, cursor) => transcripts.SearchAsync(search!, limit, cursor, cancellationToken), page => new Page<SearchHit>(page.Items, page.Next), Csv.MembersOf<SearchHit>());
    }

    /// <summary>What the query asks to find; null where it names nothing that can be found.</summary>
    public static async Task<TranscriptSearch?> SearchOfAsync(this QueryReader query, CallerNames callers, CancellationToken cancellationToken)
    {
        var words = query.Words("q");
        var search = new TranscriptSearch(words!)
        {
            Unheard = query.Flag("unheard") ?? false,
            Speaker = query.Enum<Speaker>("speaker"),
            Agent = query.Name("agent"),
            Language = query.Name("language"),
            Interrupted = query.Flag("interrupted"),
            CallerIds = await query.OneCallerAsync(callers, cancellationToken),
            CallSid = query.CallSid("callSid"),
            At = query.Times("at"),
        };
        return words is null ? null : search;
    }
}
