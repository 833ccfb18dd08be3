using Guru.Api.Calling;
using Guru.Domain.Conversations;
using Shouldly;

namespace Guru.Api.Tests;

public sealed class CallRefusalTests
{
    [Fact]
    public void Every_refusal_is_told_in_words() =>
        Enum.GetValues<CallRefusalReason>().Select(CallPolicy.Code).ShouldAllBe(code => CallRefusals.Knows(code));
}
