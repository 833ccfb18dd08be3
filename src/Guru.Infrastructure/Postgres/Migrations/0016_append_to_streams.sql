-- Appends to several streams what guru.append_events appends to each, all or none. For each stream: its name, the version it is expected at and how many events
-- are added; for each event: the place of its stream among them, and its number in what is added there. The streams come in the order in which everybody locks them.
-- Returns the new versions in that order. GU001: one of them is not at the expected version. GU002: a key the events are sealed under is gone.
create function guru.append_to_streams(
    streams text[], expected bigint[], added int[], keys uuid[],
    places int[], numbers int[], ids uuid[], types text[], bodies jsonb[], dotnet_types text[])
returns bigint[]
language plpgsql
as $$
declare
    versions bigint[] := '{}';
    new_version bigint;
begin
    if cardinality(keys) > (select count(*) from guru_keys.keys k where k.key_id = any (keys)) then
        raise exception 'A key of the events was destroyed.' using errcode = 'GU002';
    end if;

    for place in 1 .. cardinality(streams) loop
        if expected[place] = 0 then
            insert into events.mt_streams (id, version) values (streams[place], added[place])
            on conflict (id) do nothing
            returning version into new_version;
        elsif expected[place] = -1 then
            insert into events.mt_streams as s (id, version) values (streams[place], added[place])
            on conflict (id) do update set version = s.version + added[place], "timestamp" = now()
            returning version into new_version;
        else
            update events.mt_streams set version = version + added[place], "timestamp" = now()
            where id = streams[place] and version = expected[place]
            returning version into new_version;
        end if;

        if new_version is null then
            raise exception 'The stream % is not at version %.', streams[place], expected[place] using errcode = 'GU001';
        end if;

        versions[place] := new_version;
    end loop;

    insert into events.mt_events (seq_id, id, stream_id, version, data, type, mt_dotnet_type)
    select nextval('events.mt_events_sequence'), e.id, streams[e.place], versions[e.place] - added[e.place] + e.number, e.body, e.type, e.dotnet_type
    from unnest(places, numbers, ids, types, bodies, dotnet_types) as e (place, number, id, type, body, dotnet_type);

    return versions;
end
$$;
