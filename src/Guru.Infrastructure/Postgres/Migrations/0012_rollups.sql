-- Figures of calls added up by the hour and by the day (UTC) in which they began, made from guru.calls behind the log of events. dimension: what the
-- calls of a row have in common besides, none or all of it; the other columns of those are null.
create table guru.call_rollups (
    period text collate "C" not null,
    starts timestamptz not null,
    dimension text collate "C" not null,
    agent text,
    language text,
    channel text,
    direction text,
    status text,
    end_reason text,
    calls bigint not null,
    active bigint not null,
    connected bigint not null,
    duration_seconds bigint not null,
    caller_talk_ms bigint not null,
    agent_talk_ms bigint not null,
    turns bigint not null,
    barge_ins bigint not null,
    interrupted bigint not null,
    unpriced bigint not null,
    cost_text numeric not null,
    cost_audio numeric not null,
    cost_cached numeric not null,
    cost_transcription numeric not null,
    cost_carrier numeric not null,
    callers bytea not null,
    answers bytea not null,
    answers_heard bytea not null,
    answers_interrupted bytea not null,
    greetings bytea not null
);

create index call_rollups_by_period on guru.call_rollups (dimension, period, starts);

-- Hours and days whose rows are not what the calls come to: they are read from the calls until they are added up anew. So are those of calls with events
-- after rolled_up_to.
create table guru.call_rollups_stale (
    period text collate "C" not null,
    starts timestamptz not null,
    constraint call_rollups_stale_pkey primary key (period, starts)
);

insert into guru.call_rollups_stale
select distinct p.period, date_trunc(p.period, c.started_at, 'UTC') from guru.calls c cross join (values ('hour'), ('day')) p (period);

alter table guru.read_models add rolled_up_to bigint not null default 0;

update guru.read_models set rolled_up_to = (select coalesce(max(seq_id), 0) from events.mt_events);

-- Hours (UTC) in which the call was taken to have begun before an earlier sign of it came.
alter table guru.calls add former_hours timestamptz[] not null default '{}';

-- With what calls are mostly filtered by, so that a filter that finds few need not look at every row.
drop index guru.calls_newest;
create index calls_newest on guru.calls (started_at desc, call_sid desc) include (agent, language, channel, direction, status, end_reason, duration_seconds);
