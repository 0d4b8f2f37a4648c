-- Leads: their telephone numbers, and the calls that they are linked to. Runs again whenever its text changes, in one
-- transaction.

-- ---- numbers ----
--
-- hookline has the one normaliser (src/base/phone.h). PostgreSQL does at once the part of it that needs no country's plan,
-- and notes that the number is to be looked at; hookline comes by every few seconds and does the rest.

-- A number that is written internationally: '+' and 7 to 15 digits, the first not 0; else NULL.
CREATE OR REPLACE FUNCTION public.hookline_e164(phone text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT substring('+' || translate(w.digits, ' -.()/', '') FROM '^\+[1-9][0-9]{6,14}$')
    FROM (SELECT substring(btrim(regexp_replace(btrim(phone, E' \t'), '^tel:([^;]*).*$', '\1', 'i'), E' \t')
                           FROM '^(?:\+|00)(.*)$') AS digits) w
    WHERE position('(0)' IN w.digits) = 0 -- "+44 (0)20 …": whether the zero is dialled depends on the country
$$;

CREATE OR REPLACE FUNCTION public.hookline_lead_phone() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    NEW.phone_e164 := public.hookline_e164(NEW.phone);
    NEW.number_pending_since := CASE WHEN NEW.phone IS NOT NULL THEN now() END;
    RETURN NEW;
END
$$;

CREATE OR REPLACE TRIGGER leads_phone_new BEFORE INSERT ON public.leads
    FOR EACH ROW EXECUTE FUNCTION public.hookline_lead_phone();
CREATE OR REPLACE TRIGGER leads_phone BEFORE UPDATE ON public.leads
    FOR EACH ROW WHEN (NEW.phone IS DISTINCT FROM OLD.phone) EXECUTE FUNCTION public.hookline_lead_phone();

-- ---- links ----

-- Sets leads.call_sid to the linked call with the greatest (by hand, started_at, call id); a Call SID that was written by
-- hand counts though nothing is known of its call yet. A link by number counts only where it is not ambiguous, where nobody
-- took it back, and where nobody linked that telephone call (any provider's row of it) by hand. Two leads never share a call:
-- whoever has it keeps it. (plpgsql, since a session plans it once; a function in SQL would be planned at every call.)
CREATE OR REPLACE FUNCTION public.hookline_follow_leads(lead_ids bigint[]) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    asked_by constant text := coalesce(current_setting('hookline.writes', true), '');
BEGIN
    PERFORM set_config('hookline.writes', 'on', true); -- it is no link by hand, whoever brought it about
    -- First the locks, in one order, so that what follows sees the links of whoever held them.
    PERFORM FROM public.leads l WHERE l.id = ANY (lead_ids) ORDER BY l.id FOR NO KEY UPDATE;
    UPDATE public.leads l
    SET call_sid = best.call_sid,
        last_contacted_at = coalesce(best.started_at, l.last_contacted_at),
        lead_status = CASE WHEN l.lead_status = 'new' AND best.call_sid IS NOT NULL THEN 'contacted' ELSE l.lead_status END,
        updated_at = now()
    FROM (SELECT wish.*, row_number() OVER (PARTITION BY wish.call_sid ORDER BY wish.has_it DESC, wish.id) AS place
          FROM (SELECT i.id, newest.started_at, w.call_sid, coalesce(i.call_sid = w.call_sid, false) AS has_it
                FROM (SELECT id, call_sid, hand_call_sid FROM public.leads WHERE id = ANY (lead_ids)) AS i
                LEFT JOIN LATERAL (
                    SELECT lc.call_sid, lc.started_at, lc.learned_by = 'hand' AS by_hand
                    FROM public.lead_calls lc
                    WHERE lc.lead_id = i.id
                      AND lc.call_sid IS NOT NULL
                      AND (lc.learned_by = 'hand'
                           OR NOT lc.ambiguous AND NOT lc.rejected
                              AND NOT EXISTS (SELECT FROM public.voice_calls same JOIN public.lead_calls h ON h.call_id = same.id
                                              WHERE same.call_sid = lc.call_sid AND h.learned_by = 'hand'))
                    ORDER BY (lc.learned_by = 'hand') DESC, lc.started_at DESC NULLS LAST, lc.call_id DESC
                    LIMIT 1
                ) newest ON true
                CROSS JOIN LATERAL (
                    SELECT CASE WHEN newest.by_hand THEN newest.call_sid
                                ELSE coalesce(i.hand_call_sid, newest.call_sid) END AS call_sid
                ) w
               ) wish
         ) best
    WHERE l.id = best.id
      AND (best.place = 1 OR best.call_sid IS NULL) -- of several that would have it now, one
      AND (l.call_sid, l.last_contacted_at) IS DISTINCT FROM (best.call_sid, coalesce(best.started_at, l.last_contacted_at))
      AND NOT EXISTS (SELECT FROM public.leads o WHERE o.call_sid = best.call_sid AND o.id <> l.id);
    PERFORM set_config('hookline.writes', asked_by, true);
END
$$;

-- What is known now of these calls reaches their links, and their leads. New links come from the number, and from a Call SID
-- that a lead was given by hand; one that is there already keeps how it was learned, and goes if it came from a number that
-- the call has no longer.
CREATE OR REPLACE FUNCTION public.hookline_link_call_ids(call_ids uuid[]) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    moved bigint[];
BEGIN
    WITH touched AS MATERIALIZED (
        SELECT c.id, c.customer_number, c.started_at, c.call_sid FROM public.voice_calls c WHERE c.id = ANY (call_ids)
    ), linked AS MATERIALIZED (
        SELECT lc.lead_id, lc.call_id, t.started_at, t.call_sid,
               lc.learned_by = 'number' AND l.phone_e164 IS DISTINCT FROM t.customer_number AS is_stale,
               l.hand_call_sid = t.call_sid AND lc.learned_by <> 'hand'
               AND NOT EXISTS (SELECT FROM public.lead_calls o WHERE o.call_id = t.id AND o.learned_by = 'hand') AS is_by_hand,
               (lc.started_at, lc.call_sid) IS DISTINCT FROM (t.started_at, t.call_sid) AS is_old
        FROM touched t
        JOIN public.lead_calls lc ON lc.call_id = t.id
        JOIN public.leads l ON l.id = lc.lead_id
    ), stale AS (
        DELETE FROM public.lead_calls lc USING linked k
        WHERE k.is_stale AND k.is_by_hand IS NOT TRUE AND lc.lead_id = k.lead_id AND lc.call_id = k.call_id
        RETURNING lc.lead_id
    ), kept AS (
        UPDATE public.lead_calls lc
        SET started_at = k.started_at, call_sid = k.call_sid,
            learned_by = CASE WHEN k.is_by_hand THEN 'hand' ELSE lc.learned_by END,
            ambiguous = lc.ambiguous AND k.is_by_hand IS NOT TRUE
        FROM linked k
        WHERE (k.is_by_hand OR k.is_old AND NOT k.is_stale) AND lc.lead_id = k.lead_id AND lc.call_id = k.call_id
        RETURNING lc.lead_id
    ), found AS (
        INSERT INTO public.lead_calls (lead_id, call_id, learned_by, ambiguous, started_at, call_sid)
        SELECT l.id, t.id, CASE WHEN bool_or(l.by_hand) THEN 'hand' ELSE 'number' END, bool_or(l.sharing > 1), t.started_at,
               t.call_sid
        FROM touched t
        CROSS JOIN LATERAL ((SELECT n.id, false AS by_hand, count(*) OVER () AS sharing FROM public.leads n
                             WHERE n.phone_e164 = t.customer_number OFFSET 0) -- by the index for each call
                            UNION ALL
                            (SELECT h.id, true, 1 FROM public.leads h
                             WHERE h.hand_call_sid = t.call_sid
                               AND NOT EXISTS (SELECT FROM public.lead_calls o
                                               WHERE o.call_id = t.id AND o.learned_by = 'hand' AND o.lead_id <> h.id)
                             ORDER BY h.id LIMIT 1)) l
        GROUP BY l.id, t.id, t.started_at, t.call_sid
        ORDER BY l.id, t.id
        ON CONFLICT (lead_id, call_id) DO NOTHING
        RETURNING lead_id
    )
    SELECT array_agg(lead_id) INTO moved
    FROM (SELECT lead_id FROM stale UNION ALL SELECT lead_id FROM kept UNION ALL SELECT lead_id FROM found) m;
    IF moved IS NOT NULL THEN
        PERFORM public.hookline_follow_leads(moved);
    END IF;
END
$$;

-- hookline's own, once a batch.
CREATE OR REPLACE FUNCTION public.hookline_link_calls(providers text[], ids text[]) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    PERFORM public.hookline_link_call_ids(ARRAY(SELECT c.id FROM unnest(providers, ids) AS u (provider, provider_call_id)
                                                JOIN public.voice_calls c USING (provider, provider_call_id)));
END
$$;

-- The triggers are for everybody else's writes: hookline calls hookline_link_calls once a batch instead, which costs less,
-- and locks a batch's leads in one order.

CREATE OR REPLACE FUNCTION public.hookline_links_changed() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    ids bigint[];
BEGIN
    -- A link by hand silences the call's other links: their leads follow too.
    SELECT array_agg(lead_id) INTO ids
    FROM (SELECT lead_id FROM changed
          UNION
          SELECT o.lead_id FROM changed n
          JOIN public.voice_calls c ON c.id = n.call_id
          JOIN public.voice_calls same ON same.id = c.id OR same.call_sid = c.call_sid
          JOIN public.lead_calls o ON o.call_id = same.id
          WHERE n.learned_by = 'hand') t;
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
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
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
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM public.hookline_link_call_ids(ARRAY[NEW.id]);
    RETURN NULL;
END
$$;

CREATE OR REPLACE TRIGGER voice_calls_moved AFTER UPDATE ON public.voice_calls
    FOR EACH ROW WHEN ((NEW.started_at, NEW.call_sid, NEW.customer_number) IS DISTINCT FROM (OLD.started_at, OLD.call_sid, OLD.customer_number)
                       AND current_setting('hookline.writes', true) IS DISTINCT FROM 'on')
    EXECUTE FUNCTION public.hookline_call_moved();
CREATE OR REPLACE TRIGGER voice_calls_appeared AFTER INSERT ON public.voice_calls
    FOR EACH ROW WHEN ((NEW.customer_number, NEW.call_sid) IS DISTINCT FROM (NULL, NULL)
                       AND current_setting('hookline.writes', true) IS DISTINCT FROM 'on')
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
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
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

-- An application links and unlinks by leads.call_sid itself: that is by hand.
CREATE OR REPLACE FUNCTION public.hookline_lead_hand_sid() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    NEW.hand_call_sid := NEW.call_sid;
    RETURN NEW;
END
$$;

CREATE OR REPLACE TRIGGER leads_hand_sid_new BEFORE INSERT ON public.leads
    FOR EACH ROW WHEN (NEW.call_sid IS NOT NULL AND current_setting('hookline.writes', true) IS DISTINCT FROM 'on')
    EXECUTE FUNCTION public.hookline_lead_hand_sid();
CREATE OR REPLACE TRIGGER leads_hand_sid BEFORE UPDATE ON public.leads
    FOR EACH ROW WHEN (NEW.call_sid IS DISTINCT FROM OLD.call_sid AND current_setting('hookline.writes', true) IS DISTINCT FROM 'on')
    EXECUTE FUNCTION public.hookline_lead_hand_sid();

CREATE OR REPLACE FUNCTION public.hookline_lead_call_by_hand() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF TG_OP = 'UPDATE' THEN
        DELETE FROM public.lead_calls lc WHERE lc.lead_id = NEW.id AND lc.call_sid = OLD.call_sid AND lc.learned_by = 'hand';
        UPDATE public.lead_calls lc SET rejected = true
        WHERE lc.lead_id = NEW.id AND lc.call_sid = OLD.call_sid AND NEW.call_sid IS NULL;
    END IF;
    UPDATE public.leads l SET hand_call_sid = NULL WHERE l.hand_call_sid = NEW.call_sid AND l.id <> NEW.id;
    DELETE FROM public.lead_calls lc WHERE lc.call_sid = NEW.call_sid AND lc.learned_by = 'hand';
    PERFORM public.hookline_link_call_ids(array_agg(c.id)) FROM public.voice_calls c WHERE c.call_sid = NEW.call_sid;
    RETURN NULL;
END
$$;

CREATE OR REPLACE TRIGGER leads_call_new AFTER INSERT ON public.leads
    FOR EACH ROW WHEN (NEW.call_sid IS NOT NULL AND current_setting('hookline.writes', true) IS DISTINCT FROM 'on')
    EXECUTE FUNCTION public.hookline_lead_call_by_hand();
CREATE OR REPLACE TRIGGER leads_call AFTER UPDATE ON public.leads
    FOR EACH ROW WHEN (NEW.call_sid IS DISTINCT FROM OLD.call_sid AND current_setting('hookline.writes', true) IS DISTINCT FROM 'on')
    EXECUTE FUNCTION public.hookline_lead_call_by_hand();

-- ---- what hookline comes by for ----

-- hookline has looked at these leads: what it made of their numbers (NULL: no number). A lead stays to be looked at for a
-- while, since a call that was being committed when the lead was saved saw as little of it as it saw of the call; looked
-- at again, they find each other.
CREATE OR REPLACE FUNCTION public.hookline_set_lead_numbers(ids bigint[], phones text[], numbers text[]) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_advisory_xact_lock(hashtext('hookline_set_lead_numbers')); -- one hookline at a time
    PERFORM set_config('hookline.writes', 'off', true); -- links follow by the triggers for everybody's writes
    PERFORM FROM public.leads l WHERE l.id = ANY (ids) ORDER BY l.id FOR NO KEY UPDATE;
    UPDATE public.leads l
    SET phone_e164 = u.number,
        number_pending_since = CASE WHEN l.number_pending_since > now() - interval '15 seconds' THEN l.number_pending_since END
    FROM unnest(ids, phones, numbers) AS u (id, phone, number)
    WHERE l.id = u.id AND l.phone = u.phone
      AND (l.phone_e164 IS DISTINCT FROM u.number OR l.number_pending_since <= now() - interval '15 seconds');
    PERFORM public.hookline_link_numbers(numbers);
END
$$;
