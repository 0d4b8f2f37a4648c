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

-- ---- by hand: what somebody else than hookline writes into calls, participants and messages ----
--
-- A value that an application or an operator writes outranks whatever a provider says later: its version gets the
-- greatest rank of src/event/fact.h. What triggers compute has no version of its own. Who sets versions as well (a
-- restored dump) knows what they do.

-- Each table's columns in the order of its versions: the tables of src/event/fact.h.
CREATE OR REPLACE FUNCTION public.hookline_call_columns() RETURNS text[]
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT ARRAY[
        'phase', 'outcome', 'end_reason', 'session_id', 'room_name', 'call_sid', 'parent_call_sid', 'account_id',
        'direction', 'from_number', 'to_number', 'customer_number', 'started_at', 'connected_at', 'ended_at',
        'duration_seconds', 'recording_url', 'transcript', 'transcript_source', 'summary', 'total_tokens_used', 'cost',
        'cost_currency', 'agent_id', 'agent_name', 'ai_agent_used', 'answered_by', 'metadata', 'recording',
        'customer_name', 'customer_email', 'forwarded_from', 'transferred_to', 'sentiment', 'analysis',
        'extracted_fields', 'confirmed']
$$;

CREATE OR REPLACE FUNCTION public.hookline_participant_columns() RETURNS text[]
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT ARRAY[
        'participant_identity', 'participant_name', 'participant_type', 'kind', 'joined_at', 'left_at', 'connected',
        'left_reason', 'phone_number', 'attributes']
$$;

CREATE OR REPLACE FUNCTION public.hookline_message_columns() RETURNS text[]
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT ARRAY[
        'source', 'role', 'content', 'sequence_number', 'spoken_at', 'ended_at', 'tokens_used', 'model', 'audio_url',
        'interrupted', 'metadata']
$$;

-- The versions of a row that somebody changed from before (NULL: it is new) to after.
CREATE OR REPLACE FUNCTION public.hookline_by_hand(columns text[], before jsonb, after jsonb, versions bigint[]) RETURNS bigint[]
LANGUAGE sql STABLE AS $$
    SELECT array_agg(CASE WHEN before ->> c.name IS DISTINCT FROM after ->> c.name
                          THEN 4::bigint << 57 | floor(date_part('epoch', now()) * 1000000)::bigint
                          ELSE coalesce(versions[c.place], 0) END
                     ORDER BY c.place)
    FROM unnest(columns) WITH ORDINALITY AS c (name, place)
$$;

-- Whole seconds between two times, never negative; NULL while one is not known.
CREATE OR REPLACE FUNCTION public.hookline_seconds(since timestamptz, until timestamptz) RETURNS integer
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
    SELECT greatest(0, floor(date_part('epoch', until - since)))::integer
$$;

-- An older application sets the status itself: phase and outcome follow. Who sets those: the status follows, as
-- src/store/statements.c has it.
CREATE OR REPLACE FUNCTION public.hookline_call_status(before public.voice_calls, after public.voice_calls) RETURNS public.voice_calls
LANGUAGE plpgsql STABLE AS $$
BEGIN
    IF after.status IS DISTINCT FROM coalesce(before.status, 'pending') THEN
        after.phase := CASE after.status WHEN 'pending' THEN 0 WHEN 'active' THEN 1 ELSE 2 END;
        after.outcome := CASE WHEN after.phase = 2 THEN after.status::text END;
    ELSIF (after.phase, after.outcome, after.connected_at) IS DISTINCT FROM (before.phase, before.outcome, before.connected_at) THEN
        after.status := CASE coalesce(after.phase, 0)
                            WHEN 0 THEN 'pending'
                            WHEN 1 THEN 'active'
                            ELSE CASE WHEN coalesce(after.outcome = 'completed', after.connected_at IS NOT NULL)
                                      THEN 'completed' ELSE 'failed' END
                        END;
    END IF;
    RETURN after;
END
$$;

CREATE OR REPLACE FUNCTION public.hookline_call_by_hand() RETURNS trigger
LANGUAGE plpgsql AS $$
DECLARE
    rises boolean;
BEGIN
    IF NEW.versions IS DISTINCT FROM coalesce(OLD.versions, '{}') THEN
        RETURN NEW;
    END IF;
    NEW := public.hookline_call_status(OLD, NEW);
    NEW.versions := public.hookline_by_hand(public.hookline_call_columns(), to_jsonb(OLD), to_jsonb(NEW), OLD.versions);
    -- Only what lowers the phase is by hand: a call that somebody called active still ends when its provider says so.
    rises := coalesce(NEW.phase, 0) > coalesce(OLD.phase, 0);
    IF rises OR NEW.phase IS NULL THEN
        NEW.versions[1] := greatest(OLD.versions[1], CASE WHEN rises THEN 2::bigint << 57 ELSE 0 END);
    END IF;
    IF NEW.duration_seconds IS NOT DISTINCT FROM OLD.duration_seconds
       AND (NEW.ended_at, NEW.connected_at) IS DISTINCT FROM (OLD.ended_at, OLD.connected_at) THEN
        NEW.duration_seconds := coalesce(public.hookline_seconds(NEW.connected_at, NEW.ended_at), NEW.duration_seconds);
    END IF;
    RETURN NEW;
END
$$;

CREATE OR REPLACE TRIGGER voice_calls_by_hand BEFORE INSERT OR UPDATE ON public.voice_calls
    FOR EACH ROW WHEN (current_setting('hookline.writes', true) IS DISTINCT FROM 'on')
    EXECUTE FUNCTION public.hookline_call_by_hand();

-- The user whose id somebody's identity is.
CREATE OR REPLACE FUNCTION public.hookline_user_of(identity text) RETURNS uuid
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT u.id FROM public.users u
    WHERE u.id = CASE WHEN identity ~ '^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$' THEN identity::uuid END
$$;

CREATE OR REPLACE FUNCTION public.hookline_participant_by_hand() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.versions IS DISTINCT FROM coalesce(OLD.versions, '{}') THEN
        RETURN NEW;
    END IF;
    NEW.versions := public.hookline_by_hand(public.hookline_participant_columns(), to_jsonb(OLD), to_jsonb(NEW), OLD.versions);
    IF NEW.duration_seconds IS NOT DISTINCT FROM OLD.duration_seconds
       AND (NEW.left_at, NEW.joined_at) IS DISTINCT FROM (OLD.left_at, OLD.joined_at) THEN
        NEW.duration_seconds := coalesce(public.hookline_seconds(NEW.joined_at, NEW.left_at), NEW.duration_seconds);
    END IF;
    IF NEW.user_id IS NULL AND NEW.participant_identity IS DISTINCT FROM OLD.participant_identity THEN
        NEW.user_id := public.hookline_user_of(NEW.participant_identity);
    END IF;
    RETURN NEW;
END
$$;

CREATE OR REPLACE TRIGGER call_participants_by_hand BEFORE INSERT OR UPDATE ON public.call_participants
    FOR EACH ROW WHEN (current_setting('hookline.writes', true) IS DISTINCT FROM 'on')
    EXECUTE FUNCTION public.hookline_participant_by_hand();

-- Whether a message's source is not the one that is shown of its call.
CREATE OR REPLACE FUNCTION public.hookline_is_superseded(of_call uuid, message_source text) RETURNS boolean
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT coalesce((SELECT c.transcript_source IS NOT NULL AND message_source IS DISTINCT FROM c.transcript_source
                     FROM public.voice_calls c WHERE c.id = of_call), false)
$$;

CREATE OR REPLACE FUNCTION public.hookline_message_by_hand() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.versions IS DISTINCT FROM coalesce(OLD.versions, '{}') THEN
        RETURN NEW;
    END IF;
    -- Two names of one thing: the one that was written gives the other.
    IF NEW.model_used IS DISTINCT FROM OLD.model_used THEN
        NEW.model := NEW.model_used;
    ELSE
        NEW.model_used := NEW.model;
    END IF;
    IF TG_OP = 'INSERT' AND NOT NEW.superseded THEN
        NEW.superseded := public.hookline_is_superseded(NEW.call_id, NEW.source);
    END IF;
    NEW.versions := public.hookline_by_hand(public.hookline_message_columns(), to_jsonb(OLD), to_jsonb(NEW), OLD.versions);
    RETURN NEW;
END
$$;

CREATE OR REPLACE TRIGGER voice_messages_by_hand BEFORE INSERT OR UPDATE ON public.voice_messages
    FOR EACH ROW WHEN (current_setting('hookline.writes', true) IS DISTINCT FROM 'on')
    EXECUTE FUNCTION public.hookline_message_by_hand();

-- What these took the place of.
DROP TRIGGER IF EXISTS voice_calls_duration_new ON public.voice_calls;
DROP TRIGGER IF EXISTS voice_calls_duration ON public.voice_calls;
DROP TRIGGER IF EXISTS call_participants_duration_new ON public.call_participants;
DROP TRIGGER IF EXISTS call_participants_duration ON public.call_participants;
DROP FUNCTION IF EXISTS public.hookline_call_duration();
DROP FUNCTION IF EXISTS public.hookline_stay_duration();

-- ---- users: a participant whose identity is a user's id is that user, whichever comes first ----

CREATE OR REPLACE FUNCTION public.hookline_user_appeared() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    UPDATE public.call_participants p SET user_id = NEW.id
    WHERE lower(p.participant_identity) = NEW.id::text AND length(p.participant_identity) = 36 AND p.user_id IS NULL;
    RETURN NULL;
END
$$;

CREATE OR REPLACE TRIGGER users_appeared AFTER INSERT ON public.users
    FOR EACH ROW EXECUTE FUNCTION public.hookline_user_appeared();

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
    FROM (SELECT m.call_id, sum(m.tokens_used) FILTER (WHERE NOT m.superseded) AS total
          FROM public.voice_messages m
          WHERE m.call_id = ANY (call_ids)
          GROUP BY m.call_id) s
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
