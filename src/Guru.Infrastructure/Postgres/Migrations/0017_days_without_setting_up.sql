-- The same days for less. As a strict function it could not be taken into the expression of the indexes on it, and was read and planned anew for every statement that
-- adds utterances. The moment of an utterance is never null.
create or replace function guru.days_of(at timestamptz) returns int[]
language sql immutable parallel safe
return array[(at at time zone 'UTC')::date - date '0001-01-01', -1 - ((at at time zone 'UTC')::date - date '0001-01-01') / 8];
