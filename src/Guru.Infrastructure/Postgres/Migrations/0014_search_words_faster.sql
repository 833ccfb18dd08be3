-- The same results for less. ASCII is normal and has no character of those languages.
create or replace function guru.search_text(text text) returns text
language sql immutable parallel safe
as $$ select case when octet_length(text) = char_length(text) then text else guru.spaced(normalize(text, NFKC)) end $$;

-- Looked up in a list: as many cases had to be set up for each statement, however few rows it had.
create or replace function guru.search_config(language text) returns regconfig
language sql immutable parallel safe
as $$
    select coalesce(
        (array[
            'pg_catalog.arabic', 'pg_catalog.catalan', 'pg_catalog.danish', 'pg_catalog.german', 'pg_catalog.greek', 'pg_catalog.english', 'pg_catalog.spanish',
            'pg_catalog.basque', 'pg_catalog.finnish', 'pg_catalog.french', 'pg_catalog.irish', 'pg_catalog.hindi', 'pg_catalog.hungarian',
            'pg_catalog.armenian', 'pg_catalog.indonesian', 'pg_catalog.italian', 'pg_catalog.lithuanian', 'pg_catalog.nepali', 'pg_catalog.dutch',
            'pg_catalog.norwegian', 'pg_catalog.portuguese', 'pg_catalog.romanian', 'pg_catalog.russian', 'pg_catalog.serbian', 'pg_catalog.swedish',
            'pg_catalog.tamil', 'pg_catalog.turkish', 'pg_catalog.yiddish']::regconfig[])
        [array_position(
            array['ar', 'ca', 'da', 'de', 'el', 'en', 'es', 'eu', 'fi', 'fr', 'ga', 'hi', 'hu', 'hy', 'id', 'it', 'lt', 'ne', 'nl', 'no', 'pt', 'ro', 'ru', 'sr', 'sv', 'ta', 'tr', 'yi'],
            language)],
        'pg_catalog.simple'::regconfig)
$$;
