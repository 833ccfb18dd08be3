-- How long a call's recording is, on the call's clock, and how many bytes are stored of it. Null where the call was not recorded.
alter table guru.calls
    add recording_ms bigint,
    add recording_bytes bigint;
