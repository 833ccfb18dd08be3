-- Why a caller's message was never answered; a code.
alter table guru.messages add column failure text;

-- Until when work may be put off by what goes on happening; null: it is not.
alter table guru.work add column due_by timestamptz;
