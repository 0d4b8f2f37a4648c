-- Customers: whose agent took a call, and who called (or was called). Runs again whenever its text changes, in one
-- transaction.
--
-- A call belongs to the business that has its agent, by any notation of the agent's id, and keeps it. The customer of that
-- business is the person on the other side of its calls, by number. What a customer's row says follows from all calls of
-- that business and number, whatever order they came in, and however often; what somebody else wrote there stays where no
-- call says otherwise.

-- ---- agents ----

-- These agents' ids in every notation that is known.
CREATE OR REPLACE FUNCTION public.hookline_same_agents(of_provider text, ids text[]) RETURNS SETOF text
LANGUAGE sql STABLE AS $$
    SELECT i.id COLLATE "C" FROM unnest(ids) AS i (id)
    UNION
    SELECT o.agent_id
    FROM public.agent_aliases a JOIN public.agent_aliases o ON o.provider = a.provider AND o.same_as = a.same_as
    WHERE a.provider = of_provider AND a.agent_id = ANY (ids)
$$;

-- The business that has this agent. Of several, the one that has it by this very notation.
CREATE OR REPLACE FUNCTION public.hookline_business_of(of_provider text, agent text) RETURNS uuid
LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN (SELECT b.business_id FROM public.business_agents b
            WHERE b.provider = of_provider
              AND b.agent_id = ANY (ARRAY(SELECT agent COLLATE "C"
                                          UNION ALL
                                          SELECT o.agent_id FROM public.agent_aliases a
                                          JOIN public.agent_aliases o ON o.provider = a.provider AND o.same_as = a.same_as
                                          WHERE a.provider = of_provider AND a.agent_id = agent))
            ORDER BY b.agent_id <> agent COLLATE "C", b.agent_id
            LIMIT 1);
END
$$;

-- ---- the customer step ----

-- What these (business, number) pairs' rows say, from their calls. First the rows and their locks, in one order, so that
-- what follows sees the calls of whoever held them. made_for: of each pair, the call that a new row is made for.
CREATE OR REPLACE FUNCTION public.hookline_tell_customers(business_ids uuid[], numbers text[], made_for uuid[]) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    WITH made AS (
        INSERT INTO public.customers (business_id, business_name, phone_number)
        SELECT p.business_id, b.name, p.number
        FROM unnest(business_ids, numbers) AS p (business_id, number)
        JOIN public.businesses b ON b.id = p.business_id
        ORDER BY p.business_id, p.number COLLATE "C"
        ON CONFLICT (business_id, phone_number) DO NOTHING
        RETURNING business_id, phone_number
    )
    UPDATE public.voice_calls c SET customer_made_at = now(), updated_at = now()
    FROM made m JOIN unnest(business_ids, numbers, made_for) AS p (business_id, number, call_id)
      ON p.business_id = m.business_id AND p.number COLLATE "C" = m.phone_number
    WHERE c.id = p.call_id;
    PERFORM FROM public.customers k
    WHERE (k.business_id, k.phone_number) IN (SELECT * FROM unnest(business_ids, numbers))
    ORDER BY k.business_id, k.phone_number FOR NO KEY UPDATE;

    UPDATE public.customers k
    SET business_name = n.business_name, name = n.name, email = n.email, extracted_fields = n.extracted_fields,
        first_call_at = n.first_call_at, last_call_at = n.last_call_at, updated_at = now()
    FROM (SELECT o.id, b.name AS business_name, coalesce(t.name, o.name) AS name, coalesce(t.email, o.email) AS email,
                 coalesce(t.extracted_fields, o.extracted_fields) AS extracted_fields,
                 least(t.first_at, o.first_call_at) AS first_call_at, greatest(t.last_at, o.last_call_at) AS last_call_at
          FROM unnest(business_ids, numbers) AS p (business_id, number)
          JOIN public.customers o ON o.business_id = p.business_id AND o.phone_number = p.number COLLATE "C"
          JOIN public.businesses b ON b.id = p.business_id
          CROSS JOIN LATERAL (
              SELECT min(s.at) AS first_at, max(s.at) AS last_at,
                     (array_agg(s.customer_name ORDER BY s.place) FILTER (WHERE s.customer_name IS NOT NULL))[1] AS name,
                     (array_agg(s.customer_email ORDER BY s.place) FILTER (WHERE s.customer_email IS NOT NULL))[1] AS email,
                     (array_agg(s.extracted_fields ORDER BY s.place) FILTER (WHERE s.extracted_fields IS NOT NULL))[1]
                         AS extracted_fields
              FROM (SELECT c.*, coalesce(c.started_at, c.connected_at, c.ended_at) AS at,
                           row_number() OVER (ORDER BY coalesce(c.started_at, c.connected_at, c.ended_at) DESC NULLS LAST,
                                                       c.provider DESC, c.provider_call_id DESC) AS place
                    FROM public.voice_calls c
                    WHERE c.customer_number = o.phone_number AND c.business_id = o.business_id OFFSET 0) s
          ) t) n
    WHERE k.id = n.id
      AND (k.business_name, k.name, k.email, k.extracted_fields, k.first_call_at, k.last_call_at) IS DISTINCT FROM
          (n.business_name, n.name, n.email, n.extracted_fields, n.first_call_at, n.last_call_at);
END
$$;

-- What is known now of these calls reaches their businesses and customers. A call that tells nothing that it has not told
-- before touches nothing. (plpgsql, since a session plans it once.)
CREATE OR REPLACE FUNCTION public.hookline_take_customer_calls(call_ids uuid[]) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    asked_by constant text := coalesce(current_setting('hookline.writes', true), '');
    business_ids uuid[];
    numbers text[];
    made_for uuid[];
BEGIN
    IF NOT EXISTS (SELECT FROM public.businesses) THEN
        RETURN;
    END IF;
    PERFORM set_config('hookline.writes', 'on', true);
    PERFORM FROM public.voice_calls c WHERE c.id = ANY (call_ids) ORDER BY c.provider, c.provider_call_id FOR NO KEY UPDATE;
    WITH whose AS MATERIALIZED (
        SELECT c.id, coalesce(c.business_id, public.hookline_business_of(c.provider, c.agent_id)) AS business_id
        FROM public.voice_calls c WHERE c.id = ANY (call_ids)
    ), told AS MATERIALIZED (
        SELECT c.id, b.id AS business_id, b.name AS business_name, coalesce(c.started_at, c.connected_at, c.ended_at) AS at,
               CASE WHEN c.customer_number IS NOT NULL
                    THEN md5(ROW(b.id, c.customer_number,
                                 date_part('epoch', coalesce(c.started_at, c.connected_at, c.ended_at)),
                                 c.customer_name, c.customer_email, c.extracted_fields)::text)::uuid END AS mark
        FROM whose w JOIN public.voice_calls c ON c.id = w.id JOIN public.businesses b ON b.id = w.business_id
    ), changed AS (
        UPDATE public.voice_calls c
        SET business_id = t.business_id, business_name = t.business_name, customer_mark = t.mark,
            customer_at = CASE WHEN t.mark IS DISTINCT FROM c.customer_mark THEN now() ELSE c.customer_at END,
            updated_at = now()
        FROM told t
        WHERE c.id = t.id
          AND (c.business_id, c.business_name, c.customer_mark) IS DISTINCT FROM (t.business_id, t.business_name, t.mark)
        RETURNING c.id, c.business_id, c.customer_number, t.at
    )
    SELECT array_agg(p.business_id), array_agg(p.customer_number), array_agg(p.id) INTO business_ids, numbers, made_for
    FROM (SELECT DISTINCT ON (x.business_id, x.customer_number) x.* FROM changed x
          WHERE x.customer_number IS NOT NULL
          ORDER BY x.business_id, x.customer_number, x.at, x.id) p;
    IF business_ids IS NOT NULL THEN
        PERFORM public.hookline_tell_customers(business_ids, numbers, made_for);
    END IF;
    PERFORM set_config('hookline.writes', asked_by, true);
END
$$;

-- hookline's own, once a batch.
CREATE OR REPLACE FUNCTION public.hookline_take_customers(providers text[], ids text[]) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    PERFORM public.hookline_take_customer_calls(ARRAY(SELECT c.id FROM unnest(providers, ids) AS u (provider, provider_call_id)
                                                      JOIN public.voice_calls c USING (provider, provider_call_id)));
END
$$;

-- What the step came to for a call, since a moment. created: a new customer, for this call. updated: this call told of its
-- customer what it had not told before. duplicate: it told nothing new. unknown_agent: its agent is no business's.
-- no_number: nobody's number is known.
CREATE OR REPLACE FUNCTION public.hookline_customer_outcome(c public.voice_calls, since timestamptz) RETURNS text
LANGUAGE sql STABLE AS $$
    SELECT CASE WHEN c.business_id IS NULL THEN 'unknown_agent'
                WHEN c.customer_number IS NULL THEN 'no_number'
                WHEN c.customer_made_at >= since THEN 'created'
                WHEN c.customer_at >= since THEN 'updated'
                ELSE 'duplicate' END
$$;

-- The same of each of these calls that is there; since the transaction's beginning, if no moment is given.
CREATE OR REPLACE FUNCTION public.hookline_customer_outcomes(of_provider text, ids text[], since timestamptz DEFAULT now())
RETURNS TABLE (provider_call_id text, outcome text, business_id uuid, customer_id uuid)
LANGUAGE sql STABLE AS $$
    SELECT c.provider_call_id, public.hookline_customer_outcome(c, since), c.business_id, k.id
    FROM public.voice_calls c
    LEFT JOIN public.customers k ON k.business_id = c.business_id AND k.phone_number = c.customer_number
    WHERE c.provider = of_provider AND c.provider_call_id = ANY (ids)
$$;

-- ---- a business, or a notation, that appears after the calls ----

CREATE OR REPLACE FUNCTION public.hookline_take_agents(of_provider text, ids text[]) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    same constant text[] := ARRAY(SELECT public.hookline_same_agents(of_provider, ids));
BEGIN
    IF EXISTS (SELECT FROM public.business_agents b WHERE b.provider = of_provider AND b.agent_id = ANY (same)) THEN
        PERFORM public.hookline_take_customer_calls(ARRAY(
            SELECT c.id FROM public.voice_calls c
            WHERE c.business_id IS NULL AND c.agent_id COLLATE "C" = ANY (same) AND c.provider = of_provider));
    END IF;
END
$$;

CREATE OR REPLACE FUNCTION public.hookline_agents_added() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM public.hookline_take_agents(n.provider, array_agg(n.agent_id)) FROM added n GROUP BY n.provider;
    RETURN NULL;
END
$$;

CREATE OR REPLACE TRIGGER agent_aliases_added AFTER INSERT ON public.agent_aliases
    REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION public.hookline_agents_added();
CREATE OR REPLACE TRIGGER business_agents_added AFTER INSERT ON public.business_agents
    REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION public.hookline_agents_added();
CREATE OR REPLACE TRIGGER business_agents_changed AFTER UPDATE ON public.business_agents
    REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION public.hookline_agents_added();

-- A call that was being committed when its agent became a business's saw as little of that as it was seen: looked at again
-- for a while, they find each other.
CREATE OR REPLACE FUNCTION public.hookline_sweep_customers() RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    PERFORM public.hookline_take_agents(n.provider, array_agg(n.agent_id ORDER BY n.agent_id))
    FROM (SELECT provider, agent_id FROM public.business_agents WHERE added_at > now() - interval '2 minutes'
          UNION
          SELECT provider, agent_id FROM public.agent_aliases WHERE added_at > now() - interval '2 minutes') n
    GROUP BY n.provider;
END
$$;

-- ---- businesses that change their name, or go ----

CREATE OR REPLACE FUNCTION public.hookline_business_renamed() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    asked_by constant text := coalesce(current_setting('hookline.writes', true), '');
BEGIN
    PERFORM set_config('hookline.writes', 'on', true);
    UPDATE public.voice_calls c SET business_name = NEW.name, updated_at = now() WHERE c.business_id = NEW.id;
    UPDATE public.customers k SET business_name = NEW.name, updated_at = now() WHERE k.business_id = NEW.id;
    PERFORM set_config('hookline.writes', asked_by, true);
    RETURN NULL;
END
$$;

CREATE OR REPLACE TRIGGER businesses_renamed AFTER UPDATE ON public.businesses
    FOR EACH ROW WHEN (NEW.name IS DISTINCT FROM OLD.name) EXECUTE FUNCTION public.hookline_business_renamed();

-- Its customers go with it; its calls stay, and are nobody's again.
CREATE OR REPLACE FUNCTION public.hookline_business_gone() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    asked_by constant text := coalesce(current_setting('hookline.writes', true), '');
BEGIN
    PERFORM set_config('hookline.writes', 'on', true);
    UPDATE public.voice_calls c
    SET business_id = NULL, business_name = NULL, customer_mark = NULL, customer_at = NULL,
        customer_made_at = NULL, updated_at = now()
    WHERE c.business_id = OLD.id;
    PERFORM set_config('hookline.writes', asked_by, true);
    RETURN OLD;
END
$$;

CREATE OR REPLACE TRIGGER businesses_gone BEFORE DELETE ON public.businesses
    FOR EACH ROW EXECUTE FUNCTION public.hookline_business_gone();

-- ---- somebody else than hookline writes a call ----

CREATE OR REPLACE FUNCTION public.hookline_call_of_customer() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM public.hookline_take_customer_calls(ARRAY[NEW.id]);
    RETURN NULL;
END
$$;

CREATE OR REPLACE TRIGGER voice_calls_customer_new AFTER INSERT ON public.voice_calls
    FOR EACH ROW WHEN ((NEW.agent_id, NEW.business_id) IS DISTINCT FROM (NULL, NULL)
                       AND current_setting('hookline.writes', true) IS DISTINCT FROM 'on')
    EXECUTE FUNCTION public.hookline_call_of_customer();
CREATE OR REPLACE TRIGGER voice_calls_customer AFTER UPDATE ON public.voice_calls
    FOR EACH ROW WHEN ((NEW.agent_id, NEW.business_id, NEW.customer_number, NEW.customer_name, NEW.customer_email, NEW.extracted_fields,
                        NEW.started_at, NEW.connected_at, NEW.ended_at) IS DISTINCT FROM
                       (OLD.agent_id, OLD.business_id, OLD.customer_number, OLD.customer_name, OLD.customer_email, OLD.extracted_fields,
                        OLD.started_at, OLD.connected_at, OLD.ended_at)
                       AND current_setting('hookline.writes', true) IS DISTINCT FROM 'on')
    EXECUTE FUNCTION public.hookline_call_of_customer();
