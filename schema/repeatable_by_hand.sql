-- What somebody else than hookline writes into calls, participants and messages. Runs again whenever its text changes, in
-- one transaction.
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
    SELECT least(greatest(0, floor(date_part('epoch', until - since))), 2147483647)::integer
$$;

-- As src/store/statements.c has it.
CREATE OR REPLACE FUNCTION public.hookline_status_of(phase smallint, outcome text, connected_at timestamptz) RETURNS public.call_status
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT CASE WHEN coalesce(phase, 0) = 0 THEN 'pending'
                WHEN phase = 1 THEN 'active'
                WHEN coalesce(outcome = 'completed', connected_at IS NOT NULL) THEN 'completed'
                ELSE 'failed' END::public.call_status
$$;

-- An older application sets the status itself: phase and outcome follow. Who sets those: the status follows.
CREATE OR REPLACE FUNCTION public.hookline_call_status(before public.voice_calls, after public.voice_calls) RETURNS public.voice_calls
LANGUAGE plpgsql STABLE AS $$
BEGIN
    IF after.status IS DISTINCT FROM coalesce(before.status, 'pending') THEN
        after.phase := CASE after.status WHEN 'pending' THEN 0 WHEN 'active' THEN 1 ELSE 2 END;
        after.outcome := CASE WHEN after.phase = 2 THEN after.status::text END;
    ELSIF (after.phase, after.outcome, after.connected_at) IS DISTINCT FROM (before.phase, before.outcome, before.connected_at) THEN
        after.status := public.hookline_status_of(after.phase, after.outcome, after.connected_at);
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
    NEW.customer_number := coalesce(public.hookline_e164(NEW.customer_number), NEW.customer_number,
                                    public.hookline_e164(CASE NEW.direction WHEN 'inbound' THEN NEW.from_number
                                                                            WHEN 'outbound' THEN NEW.to_number END));
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
