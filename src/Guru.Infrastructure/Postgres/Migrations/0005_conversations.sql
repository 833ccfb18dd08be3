-- Read models of conversations, written by the projections and rebuilt from the events at any time.

-- What was written and spoken with a caller, in one line. source_id is a message's SID (the first one of a reply in several
-- parts) or {call_sid}:{utterance_id}.
create table guru.messages (
    caller_id text collate "C" not null,
    source_id text collate "C" not null,
    at timestamptz not null,
    channel text not null,
    speaker text not null,
    text text not null,
    agent text,
    call_sid text collate "C",
    message_sid text collate "C",
    reply_sids text[] collate "C",
    delivery text,
    error_code int,
    constraint messages_pkey primary key (caller_id, source_id)
);

create index messages_timeline on guru.messages (caller_id, at, source_id);

-- What the carrier said of each message of ours, which may be before the reply it belongs to is on record.
create table guru.deliveries (
    caller_id text collate "C" not null,
    message_sid text collate "C" not null,
    source_id text collate "C",
    status text,
    error_code int,
    constraint deliveries_pkey primary key (caller_id, message_sid)
);

-- Without activity nothing was written or spoken yet, and it is not listed.
create table guru.conversations (
    caller_id text collate "C" not null constraint conversations_pkey primary key,
    address_masked text collate "C",
    agent text collate "C",
    agent_at timestamptz,
    language text,
    last_activity_at timestamptz,
    summary text,
    summarized_up_to timestamptz
);

create index conversations_newest on guru.conversations (last_activity_at desc, caller_id desc) where last_activity_at is not null;

-- What must still happen because of an event: a to-do list, not a read model. It is never rebuilt, since what is done is gone.
-- round: how often the event has happened. intent: sealed under a key of the caller, since it holds words.
create table guru.work (
    id text collate "C" not null constraint work_pkey primary key,
    kind text not null,
    caller_id text collate "C" not null,
    subject text not null,
    due_at timestamptz not null,
    attempts int not null default 0,
    round bigint not null default 1,
    lease uuid,
    lease_until timestamptz,
    intent text,
    intent_at timestamptz,
    last_error text
);

create index work_due on guru.work (due_at, id);
