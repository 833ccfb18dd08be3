-- Read models of calls, written by the projections of the same names and rebuilt from the events at any time.
create table guru.calls (
    call_sid text collate "C" not null constraint calls_pkey primary key,
    caller_id text collate "C",
    address_masked text,
    channel text not null,
    direction text not null,
    agent text,
    language text,
    status text not null,
    end_reason text,
    started_at timestamptz not null,
    first_connected_at timestamptz,
    ended_at timestamptz,
    duration_seconds int generated always as (
        case when ended_at is not null
            then greatest(0, floor(extract(epoch from ended_at - coalesce(first_connected_at, started_at))))::int end) stored,
    billed_seconds int,
    error_code int
);

create index calls_newest on guru.calls (started_at desc, call_sid desc);

create table guru.utterances (
    call_sid text collate "C" not null,
    utterance_id text collate "C" not null,
    speaker text not null,
    agent text,
    said text not null,
    heard text not null,
    interrupted boolean not null,
    transcription text not null,
    start_ms bigint not null,
    end_ms bigint not null,
    said_ms bigint not null,
    heard_ms bigint not null,
    language text,
    first_audio_ms bigint,
    first_heard_ms bigint,
    at timestamptz not null,
    constraint utterances_pkey primary key (call_sid, utterance_id)
);
