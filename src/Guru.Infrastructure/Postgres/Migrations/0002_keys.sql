-- Keys of personal data, one for each caller, kind and month. To be backed up apart from the rest: who deletes a row
-- has erased what it protected, wherever copies of the events may be.
create schema if not exists guru_keys;

create table guru_keys.keys (
    key_id uuid not null constraint keys_pkey primary key,
    caller_id text collate "C" not null,
    kind text collate "C" not null,
    month date not null,
    key bytea not null,
    created_at timestamptz not null default now(),
    constraint keys_of_caller unique (caller_id, kind, month)
);
