-- The consent ledger, written by the projection of the same name and rebuilt from the events at any time: one row for each event.
create table guru.consent (
    caller_id text collate "C" not null,
    entry_id text collate "C" not null,
    at timestamptz not null,
    type text not null,
    request_id text collate "C",
    grant_id text collate "C",
    message_sid text collate "C",
    call_sid text collate "C",
    expires_at timestamptz,
    due_at timestamptz,
    reasons text,
    outcome text,
    error_code int,
    note text,
    constraint consent_pkey primary key (caller_id, entry_id)
);

create index consent_timeline on guru.consent (caller_id, at, entry_id);

-- Which request an Idempotency-Key stands for. Not a read model: it is bound before anything happens. Both texts are keyed hashes.
create table guru.request_keys (
    key text collate "C" not null constraint request_keys_pkey primary key,
    content text collate "C" not null,
    request_id text collate "C" not null,
    bound_at timestamptz not null default now()
);

-- The templates that were made at the carrier. Not a read model.
create table guru.templates (
    kind text not null,
    language text not null,
    content_sid text not null,
    body text not null,
    made_at timestamptz not null default now(),
    constraint templates_pkey primary key (kind, language)
);
