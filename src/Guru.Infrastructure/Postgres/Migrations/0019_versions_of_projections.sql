-- A version for each projection, so that a change of one does not make the tables of all anew. What was made by version 7 of them all, with whatever prices, is what these name.
update guru.read_models
set version = format('calls:%1$s utterances:7 usages:%1$s routings:7 messages:7 conversations:7 consent:7 caller_aliases:7', version)
where version ~ '^7-[0-9a-f]{16}$';
