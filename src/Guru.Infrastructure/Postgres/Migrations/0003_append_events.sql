-- Appends events to one stream. expected: 0 the stream must not exist, -1 any version, else exactly that version.
-- Returns the stream's new version. GU001: not at the expected version. GU002: a key the events are sealed under is gone.
create function guru.append_events(
    stream text, expected bigint, ids uuid[], types text[], bodies jsonb[], dotnet_types text[], keys uuid[])
returns bigint
language plpgsql
as $$
declare
    new_version bigint;
    added constant int := cardinality(ids);
begin
    if cardinality(keys) > (select count(*) from guru_keys.keys k where k.key_id = any (keys)) then
        raise exception 'A key of the events for % was destroyed.', stream using errcode = 'GU002';
    end if;

    -- Whichever branch is taken, the stream's row is locked from here to the commit: versions have no gaps, and
    -- within a stream sequence numbers rise with versions.
    if expected = 0 then
        insert into events.mt_streams (id, version) values (stream, added)
        on conflict (id) do nothing
        returning version into new_version;
    elsif expected = -1 then
        insert into events.mt_streams as s (id, version) values (stream, added)
        on conflict (id) do update set version = s.version + added, "timestamp" = now()
        returning version into new_version;
    else
        update events.mt_streams set version = version + added, "timestamp" = now()
        where id = stream and version = expected
        returning version into new_version;
    end if;

    if new_version is null then
        raise exception 'The stream % is not at version %.', stream, expected using errcode = 'GU001';
    end if;

    insert into events.mt_events (seq_id, id, stream_id, version, data, type, mt_dotnet_type)
    select nextval('events.mt_events_sequence'), e.id, stream, new_version - added + e.position, e.body, e.type, e.dotnet_type
    from unnest(ids, types, bodies, dotnet_types) with ordinality as e (id, type, body, dotnet_type, position);

    return new_version;
end
$$;
