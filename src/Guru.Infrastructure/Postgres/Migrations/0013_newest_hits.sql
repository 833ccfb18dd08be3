-- The day (UTC) of an utterance, counted from the year 1 on, and the eight days that it is one of, as a number below 0.
create function guru.days_of(at timestamptz) returns int[]
language sql immutable strict parallel safe
as $$ select array[(at at time zone 'UTC')::date - date '0001-01-01', -1 - ((at at time zone 'UTC')::date - date '0001-01-01') / 8] $$;

-- With the days, so that a search for the newest hits looks only at those of some of them.
drop index guru.utterances_words;
drop index guru.utterances_unheard_words;
create index utterances_words on guru.utterances using gin (words, guru.days_of(at));
create index utterances_unheard_words on guru.utterances using gin (unheard_words, guru.days_of(at)) where unheard_words is not null;

-- As lists are put in order of it. It changes once in a call, as calls_newest does already.
create index calls_longest on guru.calls ((coalesce(duration_seconds, -1)::numeric) desc, call_sid desc);
