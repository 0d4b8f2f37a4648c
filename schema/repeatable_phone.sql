-- Telephone numbers of leads. Runs again whenever its text changes, in one transaction.
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

-- hookline has looked at these leads: what it made of their numbers (NULL: no number). A lead stays to be looked at for a
-- while, since a call that was being committed when the lead was saved saw as little of it as it saw of the call; looked
-- at again, they find each other. False: another hookline is at it.
CREATE OR REPLACE FUNCTION public.hookline_set_lead_numbers(ids bigint[], phones text[], numbers text[]) RETURNS boolean
LANGUAGE plpgsql AS $$
BEGIN
    IF NOT pg_try_advisory_xact_lock(hashtext('hookline_set_lead_numbers')) THEN
        RETURN false;
    END IF;
    PERFORM set_config('hookline.writes', 'off', true); -- links follow by the triggers for everybody's writes
    PERFORM FROM public.leads l WHERE l.id = ANY (ids) ORDER BY l.id FOR NO KEY UPDATE;
    UPDATE public.leads l
    SET phone_e164 = u.number,
        number_pending_since = CASE WHEN l.number_pending_since > now() - interval '15 seconds' THEN l.number_pending_since END
    FROM unnest(ids, phones, numbers) AS u (id, phone, number)
    WHERE l.id = u.id AND l.phone = u.phone
      AND (l.phone_e164 IS DISTINCT FROM u.number OR l.number_pending_since <= now() - interval '15 seconds');
    PERFORM public.hookline_link_numbers(numbers);
    RETURN true;
END
$$;
