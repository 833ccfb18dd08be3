-- Which ids stand for a person who is known by another: written by the projection of aliases, and rebuilt from the events at any time.
create table guru.caller_aliases (
    alias_id text collate "C" not null,
    caller_id text collate "C" not null,
    at timestamptz not null,
    constraint caller_aliases_pkey primary key (alias_id)
);

create index caller_aliases_of_caller on guru.caller_aliases (caller_id);
