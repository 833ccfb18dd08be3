-- What analysts filter by, add up and search. The new columns are filled by a rebuild of the read models, which is due wherever version differs
-- from that of the Guru that starts.
create table guru.read_models (
    only_row boolean not null default true constraint read_models_pkey primary key constraint read_models_once check (only_row),
    version text not null default '',
    rebuilt_at timestamptz
);

insert into guru.read_models default values;

-- Languages that are written without spaces are searched character by character: each is set apart by U+001F, which no text holds.
create function guru.spaced(text text) returns text
language sql immutable strict parallel safe
as $$
    select regexp_replace(
        text,
        '([\u0E00-\u0EFF\u1000-\u109F\u1780-\u17FF\u2E80-\u2FDF\u3005-\u3007\u3040-\u30FF\u31F0-\u31FF\u3400-\u4DBF\u4E00-\u9FFF\uF900-\uFAFF\uFF66-\uFF9D\U00020000-\U0003FFFF])',
        U&'\001F' || '\1' || U&'\001F', 'g')
$$;

create function guru.search_text(text text) returns text
language sql immutable strict parallel safe
as $$ select guru.spaced(normalize(text, NFKC)) $$;

-- The text search configuration of a language (ISO 639-1); simple, which knows no word forms, where there is none.
create function guru.search_config(language text) returns regconfig
language sql immutable parallel safe
as $$
    select case language
        when 'ar' then 'pg_catalog.arabic'::regconfig
        when 'ca' then 'pg_catalog.catalan'::regconfig
        when 'da' then 'pg_catalog.danish'::regconfig
        when 'de' then 'pg_catalog.german'::regconfig
        when 'el' then 'pg_catalog.greek'::regconfig
        when 'en' then 'pg_catalog.english'::regconfig
        when 'es' then 'pg_catalog.spanish'::regconfig
        when 'eu' then 'pg_catalog.basque'::regconfig
        when 'fi' then 'pg_catalog.finnish'::regconfig
        when 'fr' then 'pg_catalog.french'::regconfig
        when 'ga' then 'pg_catalog.irish'::regconfig
        when 'hi' then 'pg_catalog.hindi'::regconfig
        when 'hu' then 'pg_catalog.hungarian'::regconfig
        when 'hy' then 'pg_catalog.armenian'::regconfig
        when 'id' then 'pg_catalog.indonesian'::regconfig
        when 'it' then 'pg_catalog.italian'::regconfig
        when 'lt' then 'pg_catalog.lithuanian'::regconfig
        when 'ne' then 'pg_catalog.nepali'::regconfig
        when 'nl' then 'pg_catalog.dutch'::regconfig
        when 'no' then 'pg_catalog.norwegian'::regconfig
        when 'pt' then 'pg_catalog.portuguese'::regconfig
        when 'ro' then 'pg_catalog.romanian'::regconfig
        when 'ru' then 'pg_catalog.russian'::regconfig
        when 'sr' then 'pg_catalog.serbian'::regconfig
        when 'sv' then 'pg_catalog.swedish'::regconfig
        when 'ta' then 'pg_catalog.tamil'::regconfig
        when 'tr' then 'pg_catalog.turkish'::regconfig
        when 'yi' then 'pg_catalog.yiddish'::regconfig
        else 'pg_catalog.simple'::regconfig
    end
$$;

-- The words of a text as its language reads them, and as they stand, for beginnings of words.
create function guru.search_words(language text, text text) returns tsvector
language sql immutable parallel safe
as $$
    select case when guru.search_config(language) = 'pg_catalog.simple'::regconfig
        then to_tsvector('pg_catalog.simple', guru.search_text(text))
        else to_tsvector(guru.search_config(language), guru.search_text(text)) || to_tsvector('pg_catalog.simple', guru.search_text(text)) end
$$;

-- Figures of a call. Costs are US dollars. latencies_ms: of the answers that were not interrupted, sorted.
alter table guru.calls
    add agents text[] collate "C" not null default '{}',
    add node text collate "C",
    add turns int not null default 0,
    add barge_ins int not null default 0,
    add caller_talk_ms bigint not null default 0,
    add agent_talk_ms bigint not null default 0,
    add latencies_ms bigint[] not null default '{}',
    add latency_p50_ms double precision,
    add latency_p95_ms double precision,
    add input_text bigint not null default 0,
    add input_audio bigint not null default 0,
    add cached_text bigint not null default 0,
    add cached_audio bigint not null default 0,
    add output_text bigint not null default 0,
    add output_audio bigint not null default 0,
    add transcription_seconds numeric not null default 0,
    add cost_text numeric not null default 0,
    add cost_audio numeric not null default 0,
    add cost_cached numeric not null default 0,
    add cost_transcription numeric not null default 0,
    add cost_carrier numeric,
    add cost numeric generated always as (cost_text + cost_audio + cost_cached + cost_transcription + coalesce(cost_carrier, 0)) stored,
    add unpriced int not null default 0;

create index calls_of_caller on guru.calls (caller_id, started_at desc);

-- response_id: as in guru.usages. search_language: of the utterance, or of the call where the utterance does not tell.
-- unheard: what was said and did not reach the ear. words and unheard_words: guru.search_words of said and unheard.
alter table guru.utterances
    add response_id text collate "C",
    add search_language text collate "C",
    add words tsvector,
    add unheard text,
    add unheard_words tsvector;

create index utterances_newest on guru.utterances (at desc, call_sid desc, utterance_id desc);
create index utterances_words on guru.utterances using gin (words);
create index utterances_unheard_words on guru.utterances using gin (unheard_words) where unheard_words is not null;

-- What each response and each transcription used and cost. cost is null where the table of prices has none for the model.
-- usage_id: response_id of the utterances it made, or utterance_id of what was transcribed.
create table guru.usages (
    call_sid text collate "C" not null,
    kind text collate "C" not null,
    usage_id text collate "C" not null,
    model text not null,
    agent text,
    input_text int not null,
    input_audio int not null,
    cached_text int not null,
    cached_audio int not null,
    output_text int not null,
    output_audio int not null,
    seconds numeric,
    cost_text numeric,
    cost_audio numeric,
    cost_cached numeric,
    cost_transcription numeric,
    cost numeric generated always as (cost_text + cost_audio + cost_cached + cost_transcription) stored,
    at timestamptz not null,
    constraint usages_pkey primary key (call_sid, kind, usage_id)
);

-- Which agent was chosen, and why. source_id: the message or the call it was chosen for, and the how manieth choice there.
create table guru.routings (
    caller_id text collate "C" not null,
    source_id text collate "C" not null,
    call_sid text collate "C",
    message_sid text collate "C",
    agent text not null,
    reason text not null,
    confidence double precision,
    alternatives text[] collate "C" not null,
    prompt_version text,
    at timestamptz not null,
    constraint routings_pkey primary key (caller_id, source_id)
);

create index routings_of_call on guru.routings (call_sid) where call_sid is not null;
