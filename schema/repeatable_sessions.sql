-- Calls that are known by their session's name before their provider has given them an id: an application writes the row
-- and then has the room made, or an agent reports on "the room called so". Such a row waits: its provider_call_id is NULL
-- (an application's), or 'session:' and the name (hookline's own). Runs again whenever its text changes.

-- Taken before any other lock of a batch, in one order, so that of two batches about one session the second sees what the
-- first has written, and none waits for the other in a circle.
CREATE OR REPLACE FUNCTION public.hookline_lock_sessions(providers text[], sessions text[]) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    name text;
BEGIN
    FOR name IN SELECT DISTINCT u.provider || ':' || u.session FROM unnest(providers, sessions) AS u (provider, session) ORDER BY 1 LOOP
        PERFORM pg_advisory_xact_lock(hashtextextended('hookline session ' || name, 0));
    END LOOP;
END
$$;

CREATE OR REPLACE FUNCTION public.hookline_settle_sessions(providers text[], sessions text[]) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    named record;
BEGIN
    FOR named IN
        SELECT u.provider, u.session
        FROM unnest(providers, sessions) AS u (provider, session)
        JOIN public.voice_calls c
          ON c.provider = u.provider AND c.session_id = u.session AND c.provider_call_id IS NULL
        UNION
        SELECT u.provider, u.session
        FROM unnest(providers, sessions) AS u (provider, session)
        JOIN public.voice_calls c
          ON c.provider = u.provider AND c.provider_call_id = 'session:' || u.session
        ORDER BY 1, 2
    LOOP
        PERFORM public.hookline_settle_session(named.provider, named.session);
    END LOOP;
END
$$;

-- The rows that wait under a name, and the newest call of that session, become one. What hookline heard goes to the call
-- that is there, however long ago it ended. An application's row waits for a call of its time: not for one that had ended
-- before the row was written, nor for one that began when the row was over; and a user's row only for a call that this user
-- is in, so that nobody comes by another's call by guessing its name.
CREATE OR REPLACE FUNCTION public.hookline_settle_session(provider_name text, session text) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    call public.voice_calls;   -- has the provider's id
    heard public.voice_calls;  -- hookline's own, waiting
    app public.voice_calls;    -- an application's, waiting
BEGIN
    SELECT * INTO heard FROM public.voice_calls c
    WHERE c.provider = provider_name AND c.provider_call_id = 'session:' || session;
    SELECT * INTO call FROM public.voice_calls c
    WHERE c.provider = provider_name AND c.session_id = session AND c.provider_call_id NOT LIKE 'session:%'
    ORDER BY c.started_at DESC NULLS LAST, c.created_at DESC, c.id LIMIT 1;
    SELECT * INTO app FROM public.voice_calls c
    WHERE c.provider = provider_name AND c.session_id = session AND c.provider_call_id IS NULL
      AND (c.begun_by_user IS NOT TRUE
           OR EXISTS (SELECT FROM public.call_participants p WHERE p.call_id = call.id AND p.user_id = c.user_id))
    ORDER BY c.created_at DESC, c.id LIMIT 1;

    IF app.id IS NOT NULL AND call.id IS NOT NULL AND coalesce(call.ended_at >= app.created_at, true)
       AND (coalesce(app.phase, 0) < 2 OR coalesce(call.started_at <= coalesce(app.ended_at, app.updated_at), true)) THEN
        PERFORM public.hookline_merge_calls(app.id, call.id); -- others know the application's row by its id
        call.id := app.id;
        app.id := NULL;
    END IF;
    IF heard.id IS NULL THEN
        RETURN;
    ELSIF app.id IS NOT NULL AND coalesce(app.phase, 0) < 2 THEN
        PERFORM public.hookline_merge_calls(app.id, heard.id);
    ELSIF call.id IS NOT NULL THEN
        PERFORM public.hookline_merge_calls(call.id, heard.id);
    ELSIF heard.session_id IS NULL THEN
        UPDATE public.voice_calls SET session_id = session WHERE id = heard.id;
    END IF;
END
$$;

-- Two rows turn out to be one call: the second's values, by the rule of src/event/fact.h, and all that hangs on it go to
-- the first. At most one of them has an id of its provider's.
CREATE OR REPLACE FUNCTION public.hookline_merge_calls(keep uuid, gone uuid) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    names constant text[] := public.hookline_call_columns();
    k public.voice_calls;
    g public.voice_calls;
    mine jsonb;
    other jsonb;
    links bigint[];
    columns text;
BEGIN
    PERFORM FROM public.voice_calls WHERE id IN (keep, gone) ORDER BY provider_call_id FOR UPDATE;
    SELECT * INTO k FROM public.voice_calls WHERE id = keep;
    SELECT * INTO g FROM public.voice_calls WHERE id = gone;
    IF k.id IS NULL OR g.id IS NULL THEN
        RETURN;
    END IF;
    mine := to_jsonb(k);
    other := to_jsonb(g);
    FOR i IN 1..cardinality(names) LOOP
        IF coalesce(g.versions[i], 0) > coalesce(k.versions[i], 0)
           OR g.versions[i] = k.versions[i]
              AND (CASE WHEN names[i] IN ('started_at', 'connected_at') THEN other -> names[i] < mine -> names[i]
                        ELSE other -> names[i] > mine -> names[i] END) THEN
            mine := mine || jsonb_build_object(names[i], other -> names[i]);
        END IF;
        k.versions[i] := greatest(k.versions[i], g.versions[i], 0);
    END LOOP;
    -- Whatever else the one does not know and the other does: an application's metadata, whose call it is.
    mine := mine || coalesce((SELECT jsonb_object_agg(o.key, o.value) FROM jsonb_each(other) o
                              WHERE o.value <> 'null' AND mine -> o.key = 'null'), '{}');
    mine := mine || jsonb_build_object(
        'provider_call_id', CASE WHEN g.provider_call_id NOT LIKE 'session:%' THEN g.provider_call_id ELSE k.provider_call_id END,
        'versions', k.versions, 'updated_at', now());
    k := jsonb_populate_record(k, mine);
    IF k.versions[array_position(names, 'duration_seconds')] = 0 THEN
        k.duration_seconds := public.hookline_seconds(k.connected_at, k.ended_at);
    END IF;
    k.status := public.hookline_status_of(k.phase, k.outcome, k.connected_at);

    -- What hangs on the second. Where both have a row of one key the first's stands, as for any repetition.
    UPDATE public.voice_messages m SET call_id = keep
    WHERE m.call_id = gone
      AND NOT EXISTS (SELECT FROM public.voice_messages o WHERE o.call_id = keep AND o.message_key = m.message_key);
    UPDATE public.call_participants p SET call_id = keep
    WHERE p.call_id = gone
      AND NOT EXISTS (SELECT FROM public.call_participants o WHERE o.call_id = keep AND o.participant_id = p.participant_id);
    SELECT array_agg(l.lead_id) INTO links FROM public.lead_calls l WHERE l.call_id = gone;
    UPDATE public.lead_calls l SET call_id = keep
    WHERE l.call_id = gone
      AND NOT EXISTS (SELECT FROM public.lead_calls o WHERE o.call_id = keep AND o.lead_id = l.lead_id);
    DELETE FROM public.voice_calls c WHERE c.id = gone;

    SELECT string_agg(quote_ident(a.attname), ', ') INTO columns FROM pg_attribute a
    WHERE a.attrelid = 'public.voice_calls'::regclass AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = ''
      AND a.attname NOT IN ('id', 'created_at');
    EXECUTE format('UPDATE public.voice_calls SET (%s) = ROW(%s) WHERE id = $2', columns,
                   regexp_replace(columns, '(\w+)', '($1).\1', 'g')) USING k, keep;
    UPDATE public.voice_messages m SET superseded = NOT m.superseded
    WHERE m.call_id = keep
      AND m.superseded <> (k.transcript_source IS NOT NULL AND m.source IS DISTINCT FROM k.transcript_source);
    PERFORM public.hookline_sum_tokens_of(ARRAY[keep]);
    PERFORM public.hookline_link_calls(ARRAY[k.provider], ARRAY[k.provider_call_id]);
    IF links IS NOT NULL THEN
        PERFORM public.hookline_follow_leads(links);
    END IF;
END
$$;
