-- Functions and triggers. Runs again whenever its text changes, in one transaction.

-- ---- partitions of call_events, made ahead ----

-- Makes the partition of every month from this one to `ahead` months later that is missing. Rows that the default
-- partition holds for such a month are moved into it.
CREATE OR REPLACE FUNCTION public.hookline_make_partitions(ahead integer DEFAULT 3) RETURNS integer
LANGUAGE plpgsql AS $$
DECLARE
    first date := date_trunc('month', now() AT TIME ZONE 'UTC');
    made integer := 0;
    name text;
    lower timestamptz;
    upper timestamptz;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtext('hookline_make_partitions'));
    FOR i IN 0..ahead LOOP
        lower := (first + make_interval(months => i)) AT TIME ZONE 'UTC';
        upper := (first + make_interval(months => i + 1)) AT TIME ZONE 'UTC';
        name := 'call_events_' || to_char(first + make_interval(months => i), 'YYYY_MM');
        CONTINUE WHEN to_regclass('public.' || name) IS NOT NULL;
        EXECUTE format('CREATE TABLE public.%I (LIKE public.call_events INCLUDING ALL)', name);
        EXECUTE format('WITH moved AS (DELETE FROM public.call_events_default WHERE received_at >= %L AND received_at < %L RETURNING *)
                        INSERT INTO public.%I SELECT * FROM moved', lower, upper, name);
        EXECUTE format('ALTER TABLE public.call_events ATTACH PARTITION public.%I FOR VALUES FROM (%L) TO (%L)', name, lower, upper);
        made := made + 1;
    END LOOP;
    RETURN made;
END
$$;

-- ---- updated_at ----

CREATE OR REPLACE FUNCTION public.hookline_touch() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    NEW.updated_at := now();
    RETURN NEW;
END
$$;

-- hookline's own writes set it themselves, and so do not pay for a call of a function.
CREATE OR REPLACE TRIGGER voice_calls_updated_at BEFORE UPDATE ON public.voice_calls
    FOR EACH ROW WHEN (NEW.updated_at IS NOT DISTINCT FROM OLD.updated_at) EXECUTE FUNCTION public.hookline_touch();
CREATE OR REPLACE TRIGGER leads_updated_at BEFORE UPDATE ON public.leads
    FOR EACH ROW WHEN (NEW.updated_at IS NOT DISTINCT FROM OLD.updated_at) EXECUTE FUNCTION public.hookline_touch();
CREATE OR REPLACE TRIGGER users_updated_at BEFORE UPDATE ON public.users
    FOR EACH ROW WHEN (NEW.updated_at IS NOT DISTINCT FROM OLD.updated_at) EXECUTE FUNCTION public.hookline_touch();

-- ---- durations, for rows that somebody else writes ----

CREATE OR REPLACE FUNCTION public.hookline_call_duration() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    NEW.duration_seconds := greatest(0, floor(date_part('epoch', NEW.ended_at - NEW.connected_at)))::integer;
    RETURN NEW;
END
$$;

CREATE OR REPLACE TRIGGER voice_calls_duration_new BEFORE INSERT ON public.voice_calls
    FOR EACH ROW WHEN (NEW.duration_seconds IS NULL AND NEW.ended_at IS NOT NULL AND NEW.connected_at IS NOT NULL)
    EXECUTE FUNCTION public.hookline_call_duration();
CREATE OR REPLACE TRIGGER voice_calls_duration BEFORE UPDATE OF ended_at, connected_at ON public.voice_calls
    FOR EACH ROW WHEN (NEW.versions = OLD.versions AND NEW.ended_at IS NOT NULL AND NEW.connected_at IS NOT NULL
                       AND NEW.duration_seconds IS NOT DISTINCT FROM OLD.duration_seconds
                       AND (NEW.ended_at, NEW.connected_at) IS DISTINCT FROM (OLD.ended_at, OLD.connected_at))
    EXECUTE FUNCTION public.hookline_call_duration();

CREATE OR REPLACE FUNCTION public.hookline_stay_duration() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    NEW.duration_seconds := greatest(0, floor(date_part('epoch', NEW.left_at - NEW.joined_at)))::integer;
    RETURN NEW;
END
$$;

CREATE OR REPLACE TRIGGER call_participants_duration_new BEFORE INSERT ON public.call_participants
    FOR EACH ROW WHEN (NEW.duration_seconds IS NULL AND NEW.left_at IS NOT NULL AND NEW.joined_at IS NOT NULL)
    EXECUTE FUNCTION public.hookline_stay_duration();
CREATE OR REPLACE TRIGGER call_participants_duration BEFORE UPDATE OF left_at, joined_at ON public.call_participants
    FOR EACH ROW WHEN (NEW.versions = OLD.versions AND NEW.left_at IS NOT NULL AND NEW.joined_at IS NOT NULL
                       AND (NEW.left_at, NEW.joined_at) IS DISTINCT FROM (OLD.left_at, OLD.joined_at))
    EXECUTE FUNCTION public.hookline_stay_duration();

-- ---- tokens: the sum over the messages that are shown, unless the provider reported one (its version is set) ----
--
-- hookline itself says (hookline.writes, for its session or transaction) that it calls hookline_sum_tokens_of where a
-- message brings tokens; the triggers are for everybody else's writes, and cost its batches nothing.

CREATE OR REPLACE FUNCTION public.hookline_sum_tokens_of(call_ids uuid[]) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    UPDATE public.voice_calls c
    SET total_tokens_used = s.total
    FROM (SELECT m.call_id, sum(m.tokens_used) FILTER (WHERE NOT m.superseded) AS total
          FROM public.voice_messages m
          WHERE m.call_id = ANY (call_ids)
          GROUP BY m.call_id) s
    -- 21: the place of total_tokens_used in CALL_COLUMNS
    WHERE c.id = s.call_id AND coalesce(c.versions[21], 0) = 0 AND c.total_tokens_used IS DISTINCT FROM s.total;
END
$$;

CREATE OR REPLACE FUNCTION public.hookline_sum_tokens() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    PERFORM public.hookline_sum_tokens_of(array_agg(DISTINCT call_id)) FROM changed;
    RETURN NULL;
END
$$;

CREATE OR REPLACE TRIGGER voice_messages_tokens_new AFTER INSERT ON public.voice_messages
    REFERENCING NEW TABLE AS changed FOR EACH STATEMENT
    WHEN (current_setting('hookline.writes', true) IS DISTINCT FROM 'on') EXECUTE FUNCTION public.hookline_sum_tokens();
CREATE OR REPLACE TRIGGER voice_messages_tokens AFTER UPDATE ON public.voice_messages
    REFERENCING NEW TABLE AS changed FOR EACH STATEMENT
    WHEN (current_setting('hookline.writes', true) IS DISTINCT FROM 'on') EXECUTE FUNCTION public.hookline_sum_tokens();
CREATE OR REPLACE TRIGGER voice_messages_tokens_gone AFTER DELETE ON public.voice_messages
    REFERENCING OLD TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION public.hookline_sum_tokens();

-- ---- leads ----

CREATE OR REPLACE FUNCTION public.hookline_lead_phone() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    NEW.phone_e164 := public.hookline_e164(NEW.phone);
    RETURN NEW;
END
$$;

CREATE OR REPLACE TRIGGER leads_phone_new BEFORE INSERT ON public.leads
    FOR EACH ROW EXECUTE FUNCTION public.hookline_lead_phone();
CREATE OR REPLACE TRIGGER leads_phone BEFORE UPDATE OF phone, phone_e164 ON public.leads
    FOR EACH ROW EXECUTE FUNCTION public.hookline_lead_phone();

-- Sets leads.call_sid to the linked call with the greatest (by hand, started_at, call id). A link by number counts only
-- where it is not ambiguous, and where nobody linked that call by hand. Two leads never share a call: whoever has it keeps
-- it. (plpgsql, since a session plans it once; a function in SQL would be planned at every call.)
CREATE OR REPLACE FUNCTION public.hookline_follow_leads(lead_ids bigint[]) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    -- First the locks, in one order, so that what follows sees the links of whoever held them.
    PERFORM FROM public.leads l WHERE l.id = ANY (lead_ids) ORDER BY l.id FOR NO KEY UPDATE;
    UPDATE public.leads l
    SET call_sid = best.call_sid,
        last_contacted_at = coalesce(best.started_at, l.last_contacted_at),
        lead_status = CASE WHEN l.lead_status = 'new' AND best.call_sid IS NOT NULL THEN 'contacted' ELSE l.lead_status END,
        updated_at = now()
    FROM (SELECT i.id, newest.call_sid, newest.started_at
          FROM (SELECT DISTINCT unnest(lead_ids)) AS i (id)
          LEFT JOIN LATERAL (
              SELECT lc.call_sid, lc.started_at
              FROM public.lead_calls lc
              WHERE lc.lead_id = i.id
                AND lc.call_sid IS NOT NULL
                AND (lc.learned_by = 'hand'
                     OR NOT lc.ambiguous
                        AND NOT EXISTS (SELECT FROM public.lead_calls h WHERE h.call_id = lc.call_id AND h.learned_by = 'hand'))
              ORDER BY (lc.learned_by = 'hand') DESC, lc.started_at DESC NULLS LAST, lc.call_id DESC
              LIMIT 1
          ) newest ON true
         ) best
    WHERE l.id = best.id
      AND (l.call_sid, l.last_contacted_at) IS DISTINCT FROM (best.call_sid, coalesce(best.started_at, l.last_contacted_at))
      AND NOT EXISTS (SELECT FROM public.leads o WHERE o.call_sid = best.call_sid AND o.id <> l.id);
END
$$;

-- hookline's own: what is known now of these calls reaches their links, and their leads. New links come from the number;
-- one that is there already keeps how it was learned.
CREATE OR REPLACE FUNCTION public.hookline_link_calls(providers text[], ids text[]) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    moved bigint[];
BEGIN
    WITH touched AS MATERIALIZED (
        SELECT c.id, c.customer_number, c.started_at, c.call_sid
        FROM unnest(providers, ids) AS u (provider, provider_call_id)
        JOIN public.voice_calls c USING (provider, provider_call_id)
    ), kept AS (
        UPDATE public.lead_calls lc
        SET started_at = t.started_at, call_sid = t.call_sid
        FROM touched t
        WHERE lc.call_id = t.id AND (lc.started_at, lc.call_sid) IS DISTINCT FROM (t.started_at, t.call_sid)
        RETURNING lc.lead_id
    ), found AS (
        INSERT INTO public.lead_calls (lead_id, call_id, learned_by, ambiguous, started_at, call_sid)
        SELECT l.id, t.id, 'number', l.sharing > 1, t.started_at, t.call_sid
        FROM touched t
        CROSS JOIN LATERAL (SELECT id, count(*) OVER () AS sharing FROM public.leads
                            WHERE phone_e164 = t.customer_number OFFSET 0) l -- by the index for each call
        ORDER BY l.id, t.id
        ON CONFLICT (lead_id, call_id) DO NOTHING
        RETURNING lead_id
    )
    SELECT array_agg(lead_id) INTO moved FROM (SELECT lead_id FROM kept UNION ALL SELECT lead_id FROM found) m;
    IF moved IS NOT NULL THEN
        PERFORM public.hookline_follow_leads(moved);
    END IF;
END
$$;

-- The triggers are for everybody else's writes: hookline calls hookline_link_calls once a batch instead, which costs less,
-- and locks a batch's leads in one order.

CREATE OR REPLACE FUNCTION public.hookline_links_changed() RETURNS trigger
LANGUAGE plpgsql AS $$
DECLARE
    ids bigint[];
BEGIN
    -- A link by hand silences the call's other links: their leads follow too.
    SELECT array_agg(lead_id) INTO ids
    FROM (SELECT lead_id FROM changed
          UNION
          SELECT o.lead_id FROM changed n JOIN public.lead_calls o ON o.call_id = n.call_id WHERE n.learned_by = 'hand') t;
    IF ids IS NOT NULL THEN
        PERFORM public.hookline_follow_leads(ids);
    END IF;
    -- A call went from one lead to another: the first pass took it from the one, this gives it to the other.
    IF EXISTS (SELECT FROM changed WHERE learned_by = 'hand') THEN
        PERFORM public.hookline_follow_leads(ids);
    END IF;
    RETURN NULL;
END
$$;

CREATE OR REPLACE TRIGGER lead_calls_new AFTER INSERT ON public.lead_calls
    REFERENCING NEW TABLE AS changed FOR EACH STATEMENT
    WHEN (current_setting('hookline.writes', true) IS DISTINCT FROM 'on') EXECUTE FUNCTION public.hookline_links_changed();
CREATE OR REPLACE TRIGGER lead_calls_changed AFTER UPDATE ON public.lead_calls
    REFERENCING NEW TABLE AS changed FOR EACH STATEMENT
    WHEN (current_setting('hookline.writes', true) IS DISTINCT FROM 'on') EXECUTE FUNCTION public.hookline_links_changed();
CREATE OR REPLACE TRIGGER lead_calls_gone AFTER DELETE ON public.lead_calls
    REFERENCING OLD TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION public.hookline_links_changed();

-- Somebody links by hand: the copies are filled in.
CREATE OR REPLACE FUNCTION public.hookline_link_copies() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    SELECT c.started_at, c.call_sid INTO NEW.started_at, NEW.call_sid FROM public.voice_calls c WHERE c.id = NEW.call_id;
    RETURN NEW;
END
$$;

CREATE OR REPLACE TRIGGER lead_calls_copies BEFORE INSERT ON public.lead_calls
    FOR EACH ROW WHEN (current_setting('hookline.writes', true) IS DISTINCT FROM 'on')
    EXECUTE FUNCTION public.hookline_link_copies();

-- Somebody changes a call.
CREATE OR REPLACE FUNCTION public.hookline_call_moved() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    PERFORM public.hookline_link_calls(ARRAY[NEW.provider], ARRAY[NEW.provider_call_id]);
    RETURN NULL;
END
$$;

CREATE OR REPLACE TRIGGER voice_calls_moved AFTER UPDATE ON public.voice_calls
    FOR EACH ROW WHEN ((NEW.started_at, NEW.call_sid, NEW.customer_number) IS DISTINCT FROM (OLD.started_at, OLD.call_sid, OLD.customer_number)
                       AND current_setting('hookline.writes', true) IS DISTINCT FROM 'on')
    EXECUTE FUNCTION public.hookline_call_moved();
CREATE OR REPLACE TRIGGER voice_calls_appeared AFTER INSERT ON public.voice_calls
    FOR EACH ROW WHEN (NEW.customer_number IS NOT NULL AND current_setting('hookline.writes', true) IS DISTINCT FROM 'on')
    EXECUTE FUNCTION public.hookline_call_moved();

-- Links every call of these numbers to the leads that have them; says of each link whether it is ambiguous.
CREATE OR REPLACE FUNCTION public.hookline_link_numbers(numbers text[]) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO public.lead_calls AS lc (lead_id, call_id, learned_by, ambiguous)
    SELECT l.id, c.id, 'number', l.sharing > 1
    FROM (SELECT id, phone_e164, count(*) OVER (PARTITION BY phone_e164) AS sharing
          FROM public.leads WHERE phone_e164 = ANY (numbers)) l
    JOIN public.voice_calls c ON c.customer_number = l.phone_e164
    ORDER BY l.id, c.id
    ON CONFLICT (lead_id, call_id) DO UPDATE SET ambiguous = EXCLUDED.ambiguous
        WHERE lc.learned_by = 'number' AND lc.ambiguous <> EXCLUDED.ambiguous;
END
$$;

-- A lead appears, goes, or has another number: its links, and whether those of who shares the number are ambiguous.
CREATE OR REPLACE FUNCTION public.hookline_lead_number() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'UPDATE' THEN
        DELETE FROM public.lead_calls WHERE lead_id = NEW.id AND learned_by = 'number';
    END IF;
    PERFORM public.hookline_link_numbers(ARRAY[CASE WHEN TG_OP <> 'DELETE' THEN NEW.phone_e164 END,
                                               CASE WHEN TG_OP <> 'INSERT' THEN OLD.phone_e164 END]);
    RETURN NULL;
END
$$;

CREATE OR REPLACE TRIGGER leads_number_new AFTER INSERT ON public.leads
    FOR EACH ROW WHEN (NEW.phone_e164 IS NOT NULL) EXECUTE FUNCTION public.hookline_lead_number();
CREATE OR REPLACE TRIGGER leads_number AFTER UPDATE ON public.leads
    FOR EACH ROW WHEN (NEW.phone_e164 IS DISTINCT FROM OLD.phone_e164) EXECUTE FUNCTION public.hookline_lead_number();
CREATE OR REPLACE TRIGGER leads_number_gone AFTER DELETE ON public.leads
    FOR EACH ROW WHEN (OLD.phone_e164 IS NOT NULL) EXECUTE FUNCTION public.hookline_lead_number();
