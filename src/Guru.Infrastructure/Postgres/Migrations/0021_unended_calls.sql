-- The calls without an end, which are few: those on the line, and those whose end nobody has heard of yet.
create index calls_unended on guru.calls (started_at) where ended_at is null;
