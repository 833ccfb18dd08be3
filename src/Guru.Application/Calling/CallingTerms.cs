using System.ComponentModel.DataAnnotations;
using Guru.Domain.Callers;
using Guru.Domain.Conversations;

namespace Guru.Application.Calling;

/// <summary>How people are called back; section <c>Guru:Calling</c>.</summary>
public sealed class CallingSettings
{
    /// <summary>Rules of one's own in place of the shipped ones, member by member.</summary>
    public string? RulesPath { get; set; }

    /// <summary>Whether a person who calls may be called back: only where "callback permission" is on in WhatsApp Manager.</summary>
    public bool CallGrantsPermission { get; set; }

    /// <summary>How long a person's phone rings.</summary>
    [Range(5, 600)]
    public int RingSeconds { get; set; } = 40;

    /// <summary>How long a request without a latest time may wait to be placed.</summary>
    [Range(10, 86_400)]
    public int PatienceSeconds { get; set; } = 900;

    /// <summary>How far ahead a call may be asked for.</summary>
    [Range(1, 90)]
    public int MostDaysAhead { get; set; } = 30;

    internal TimeSpan Patience => TimeSpan.FromSeconds(PatienceSeconds);

    internal TimeSpan MostAhead => TimeSpan.FromDays(MostDaysAhead);
}

/// <summary>Who calls, and by which rules.</summary>
public sealed record CallingTerms(CallerAddress Sender, CallingRules Rules, CallingSettings Settings);
