-- A call of somebody who was erased: its figures are nobody's any more.
alter table guru.calls add erased boolean not null default false;

-- Who was erased, and when: what is left of them in the read models.
create index consent_erased on guru.consent (at) where type = 'CallerErased';

-- Whom a request was about, so that it can be forgotten.
alter table guru.request_keys add caller_id text collate "C";
create index request_keys_of_caller on guru.request_keys (caller_id);

-- When the summary was made, which its key goes by.
alter table guru.conversations add summarized_at timestamptz;

-- A key made after an erasing is younger than it, however long its transaction lasts.
alter table guru_keys.keys alter column created_at set default clock_timestamp();
