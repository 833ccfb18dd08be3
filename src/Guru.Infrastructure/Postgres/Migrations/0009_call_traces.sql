-- What calls were told and decided, where that is kept: one row a Media Stream. body: the text of the trace, Brotli, sealed under key_id.
create table guru.call_traces (
    call_sid text collate "C" not null,
    stream_sid text collate "C" not null,
    caller_id text collate "C" not null,
    version int not null,
    started_at timestamptz not null,
    key_id uuid not null,
    body bytea not null,
    constraint call_traces_pkey primary key (call_sid, stream_sid)
);

create index call_traces_of_caller on guru.call_traces (caller_id);
create index call_traces_oldest on guru.call_traces (started_at);
