-- Functions and triggers. Runs again whenever its text changes, in one transaction.
--
-- hookline says of its session that it is hookline (hookline.writes = 'on', src/store/pg.c) and then does itself, once a
-- batch, what triggers do a row for everybody else: with WHEN clauses on that setting they cost its writes nothing.
--
-- Names in bodies are qualified. What a trigger does to other rows than its own it does as the owner (SECURITY DEFINER),
-- since whoever wrote the row may not be allowed to see them.

-- ---- partitions of call_events, made ahead ----

-- Makes the partition of every month from this one to `ahead` months later that is missing. Rows that the default
-- partition holds for such a month are moved into it. As the owner: hookline may be a role that owns nothing.
CREATE OR REPLACE FUNCTION public.hookline_make_partitions(ahead integer DEFAULT 3) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    first date := date_trunc('month', now() AT TIME ZONE 'UTC');
    made integer := 0;
    name text;
    lower timestamptz;
    upper timestamptz;
    columns text := (SELECT string_agg(quote_ident(attname), ', ' ORDER BY attnum) FROM pg_attribute
                     WHERE attrelid = 'public.call_events'::regclass AND attnum > 0 AND NOT attisdropped AND attgenerated = '');
BEGIN
    PERFORM pg_advisory_xact_lock(hashtext('hookline_make_partitions'));
    FOR i IN 0..ahead LOOP
        lower := (first + make_interval(months => i)) AT TIME ZONE 'UTC';
        upper := (first + make_interval(months => i + 1)) AT TIME ZONE 'UTC';
        name := 'call_events_' || to_char(first + make_interval(months => i), 'YYYY_MM');
        CONTINUE WHEN to_regclass('public.' || name) IS NOT NULL;
        EXECUTE format('CREATE TABLE public.%I (LIKE public.call_events INCLUDING ALL)', name);
        EXECUTE format('WITH moved AS (DELETE FROM public.call_events_default WHERE received_at >= %1$L AND received_at < %2$L RETURNING *)
                        INSERT INTO public.%3$I (%4$s) SELECT %4$s FROM moved', lower, upper, name, columns);
        EXECUTE format('ALTER TABLE public.call_events ATTACH PARTITION public.%I FOR VALUES FROM (%L) TO (%L)', name, lower, upper);
        PERFORM public.hookline_close(format('public.%I', name)::regclass);
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
CREATE OR REPLACE TRIGGER businesses_updated_at BEFORE UPDATE ON public.businesses
    FOR EACH ROW WHEN (NEW.updated_at IS NOT DISTINCT FROM OLD.updated_at) EXECUTE FUNCTION public.hookline_touch();
CREATE OR REPLACE TRIGGER customers_updated_at BEFORE UPDATE ON public.customers
    FOR EACH ROW WHEN (NEW.updated_at IS NOT DISTINCT FROM OLD.updated_at) EXECUTE FUNCTION public.hookline_touch();
CREATE OR REPLACE TRIGGER agents_updated_at BEFORE UPDATE ON public.agents
    FOR EACH ROW WHEN (NEW.updated_at IS NOT DISTINCT FROM OLD.updated_at) EXECUTE FUNCTION public.hookline_touch();
CREATE OR REPLACE TRIGGER phone_numbers_updated_at BEFORE UPDATE ON public.phone_numbers
    FOR EACH ROW WHEN (NEW.updated_at IS NOT DISTINCT FROM OLD.updated_at) EXECUTE FUNCTION public.hookline_touch();
CREATE OR REPLACE TRIGGER outbound_calls_updated_at BEFORE UPDATE ON public.outbound_calls
    FOR EACH ROW WHEN (NEW.updated_at IS NOT DISTINCT FROM OLD.updated_at) EXECUTE FUNCTION public.hookline_touch();

-- ---- businesses and numbers ----

CREATE OR REPLACE FUNCTION public.hookline_business_agent() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF TG_OP = 'UPDATE' THEN
        DELETE FROM public.business_agents WHERE provider = 'teli' AND agent_id = OLD.teli_agent_id AND business_id = NEW.id;
    END IF;
    INSERT INTO public.business_agents (provider, agent_id, business_id)
    SELECT 'teli', NEW.teli_agent_id, NEW.id WHERE NEW.teli_agent_id IS NOT NULL
    ON CONFLICT (agent_id, provider) DO NOTHING; -- whoever has it keeps it
    RETURN NULL;
END
$$;

CREATE OR REPLACE TRIGGER businesses_agent_new AFTER INSERT ON public.businesses
    FOR EACH ROW WHEN (NEW.teli_agent_id IS NOT NULL) EXECUTE FUNCTION public.hookline_business_agent();
CREATE OR REPLACE TRIGGER businesses_agent AFTER UPDATE ON public.businesses
    FOR EACH ROW WHEN (NEW.teli_agent_id IS DISTINCT FROM OLD.teli_agent_id) EXECUTE FUNCTION public.hookline_business_agent();

-- A number is kept in E.164 wherever it is one; what is none is kept as it came.
CREATE OR REPLACE FUNCTION public.hookline_customer_number() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    NEW.phone_number := coalesce(public.hookline_e164(NEW.phone_number), NEW.phone_number);
    RETURN NEW;
END
$$;

CREATE OR REPLACE TRIGGER customers_number BEFORE INSERT OR UPDATE OF phone_number ON public.customers
    FOR EACH ROW EXECUTE FUNCTION public.hookline_customer_number();

CREATE OR REPLACE FUNCTION public.hookline_our_number() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    NEW.number := coalesce(public.hookline_e164(NEW.number), NEW.number);
    RETURN NEW;
END
$$;

CREATE OR REPLACE TRIGGER phone_numbers_number BEFORE INSERT OR UPDATE OF number ON public.phone_numbers
    FOR EACH ROW EXECUTE FUNCTION public.hookline_our_number();

-- ---- what the alerts need ----

-- Whether a call that failed did so for a technical reason, and not because of the person who was called. A reason that
-- is in no row, and none at all, count as technical. reason: a regular expression for all of the provider's word.
CREATE OR REPLACE FUNCTION public.hookline_is_technical(provider text, end_reason text) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT NOT EXISTS (
        SELECT FROM (VALUES
            (NULL, 'busy|no-answer|cancell?ed|voicemail'),
            ('vapi', 'customer-(busy|did-not-.*)|call\.forwarding\.(no-answer|operator-busy)|manually-canceled'),
            ('vapi', 'twilio-reported-customer-misdialed|(scheduled-)?call-deleted'),
            ('livekit', 'no_participant|user_(unavailable|rejected)|client_initiated|participant_removed|room_(deleted|closed)'),
            ('teli', 'dial_(busy|no_answer)|user_(hangup|declined)|agent_hangup|voicemail_reached|machine_detected|ivr_reached|inactivity')
        ) AS person (provider, reason)
        WHERE coalesce(person.provider = $1, true) AND lower($2) ~ ('^(' || person.reason || ')$'))
$$;

-- One sample a table and day; the first of a day stands. Called by hookline's housekeeping, and cheap enough for that.
CREATE OR REPLACE FUNCTION public.hookline_sample_storage() RETURNS void
LANGUAGE sql AS $$
    INSERT INTO public.storage_samples (table_name, day, bytes)
    SELECT t.relname, current_date,
           coalesce((SELECT sum(pg_catalog.pg_total_relation_size(p.relid)) FROM pg_catalog.pg_partition_tree(t.oid) p),
                    pg_catalog.pg_total_relation_size(t.oid))
    FROM pg_catalog.pg_class t
    WHERE t.relnamespace = 'public'::regnamespace AND t.relkind IN ('r', 'p') AND NOT t.relispartition
      AND NOT EXISTS (SELECT FROM public.storage_samples s WHERE s.table_name = t.relname AND s.day = current_date)
    ON CONFLICT (table_name, day) DO NOTHING;
    DELETE FROM public.storage_samples WHERE day < current_date - 60;
$$;

-- ---- tokens: the sum over the messages that are shown, unless the provider reported one (its version is set) ----
--
-- hookline calls hookline_sum_tokens_of where a message brings tokens; the triggers are for everybody else's writes. The
-- sum is hookline's own, and not by hand, whoever wrote the message.

CREATE OR REPLACE FUNCTION public.hookline_sum_tokens_of(call_ids uuid[]) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    asked_by constant text := coalesce(current_setting('hookline.writes', true), '');
BEGIN
    PERFORM set_config('hookline.writes', 'on', true);
    UPDATE public.voice_calls c
    SET total_tokens_used = s.total
    FROM (SELECT i.call_id, sum(m.tokens_used) FILTER (WHERE NOT m.superseded) AS total
          FROM unnest(call_ids) AS i (call_id) LEFT JOIN public.voice_messages m ON m.call_id = i.call_id
          GROUP BY i.call_id) s
    -- 21: the place of total_tokens_used in CALL_COLUMNS
    WHERE c.id = s.call_id AND coalesce(c.versions[21], 0) = 0 AND c.total_tokens_used IS DISTINCT FROM s.total;
    PERFORM set_config('hookline.writes', asked_by, true);
END
$$;

CREATE OR REPLACE FUNCTION public.hookline_sum_tokens() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
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
