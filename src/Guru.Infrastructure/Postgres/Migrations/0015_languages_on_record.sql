-- Which languages are on record, of those that have a configuration and are not asked anyway, is seen here at once.
create index utterances_other_languages on guru.utterances (search_language) where search_language in (
    'ar', 'ca', 'da', 'de', 'el', 'eu', 'fi', 'ga', 'hi', 'hu', 'hy', 'id', 'it', 'lt', 'ne', 'nl', 'no', 'pt', 'ro', 'ru', 'sr', 'sv', 'ta', 'tr', 'yi');
