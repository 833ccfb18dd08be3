-- The tables of Marten 9 for string stream identity, to the letter: no column, index or default more or less. Where Marten
-- was here first, they are there.
create schema if not exists events;

create table if not exists events.mt_streams (
    id varchar not null constraint pkey_mt_streams_id primary key,
    type varchar,
    version bigint,
    "timestamp" timestamptz not null default now(),
    created timestamptz not null default now(),
    tenant_id varchar default '*DEFAULT*',
    is_archived boolean default false
);

create table if not exists events.mt_events (
    seq_id bigint not null constraint pkey_mt_events_seq_id primary key,
    id uuid not null,
    stream_id varchar constraint fkey_mt_events_stream_id references events.mt_streams (id) on delete cascade,
    version bigint not null,
    data jsonb not null,
    bdata bytea,
    type varchar(500) not null,
    "timestamp" timestamptz not null default now(),
    tenant_id varchar default '*DEFAULT*',
    mt_dotnet_type varchar,
    is_archived boolean default false
);

create unique index if not exists pk_mt_events_stream_and_version on events.mt_events (stream_id, version);

create sequence if not exists events.mt_events_sequence owned by events.mt_events.seq_id;

create table if not exists events.mt_event_progression (
    name varchar not null constraint pk_mt_event_progression primary key,
    last_seq_id bigint,
    last_updated timestamptz default transaction_timestamp()
);
