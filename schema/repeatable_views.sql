-- Views: the names that users of the older systems query, and the alerts. Runs again whenever its text changes, in one
-- transaction.

-- ---- transcripts ----

-- What was said, by the best source of each call; of the calls that share a call_sid (one that Twilio carries and Vapi
-- answers) those of the one with the best source (19: the place of transcript_source in CALL_COLUMNS). A row of the system
-- without words was not said: it holds what a response cost. Of a person or an assistant such a row says that something was
-- said which nobody wrote down.
DROP VIEW IF EXISTS public.conversation_transcripts;
CREATE VIEW public.conversation_transcripts AS
SELECT m.id,
       c.call_sid,
       m.call_id,
       c.provider,
       m.role,
       m.role AS speaker,
       m.content,
       m.content AS message,
       m."timestamp",
       m.sequence_number,
       m.interrupted,
       m.source,
       m.created_at
FROM public.voice_calls c
JOIN public.voice_messages m ON m.call_id = c.id
WHERE NOT m.superseded
  AND (m.role IS DISTINCT FROM 'system' OR m.content IS NOT NULL)
  AND NOT EXISTS (SELECT FROM public.voice_calls better
                  WHERE better.call_sid = c.call_sid
                    AND (coalesce(better.versions[19], 0), better.id) > (coalesce(c.versions[19], 0), c.id)
                    AND EXISTS (SELECT FROM public.voice_messages b WHERE b.call_id = better.id AND NOT b.superseded
                                  AND (b.role IS DISTINCT FROM 'system' OR b.content IS NOT NULL)));

-- An older application writes a line of a call that it knows by its call_sid.
CREATE OR REPLACE FUNCTION public.hookline_transcript_written() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    NEW.role := coalesce(NEW.role, NEW.speaker);
    NEW.content := coalesce(NEW.content, NEW.message);
    IF NEW.call_id IS NULL THEN
        SELECT c.id INTO NEW.call_id FROM public.voice_calls c WHERE c.call_sid = NEW.call_sid
        ORDER BY (c.provider = 'twilio') DESC, c.id LIMIT 1;
    END IF;
    IF NEW.call_id IS NULL THEN
        INSERT INTO public.voice_calls (provider, provider_call_id, call_sid)
        VALUES ('twilio', NEW.call_sid, NEW.call_sid) RETURNING id INTO NEW.call_id;
    END IF;
    INSERT INTO public.voice_messages (call_id, role, content, spoken_at, sequence_number)
    VALUES (NEW.call_id, NEW.role, NEW.content, NEW."timestamp", NEW.sequence_number)
    RETURNING id, created_at INTO NEW.id, NEW.created_at;
    RETURN NEW;
END
$$;
CREATE TRIGGER conversation_transcripts_written INSTEAD OF INSERT ON public.conversation_transcripts
    FOR EACH ROW EXECUTE FUNCTION public.hookline_transcript_written();

-- ---- Beyond Presence ----

DROP VIEW IF EXISTS public.beyond_call_messages;
DROP VIEW IF EXISTS public.beyond_calls;
CREATE VIEW public.beyond_calls AS
SELECT c.id,
       c.provider_call_id AS call_id,
       c.agent_id,
       c.started_at,
       c.ended_at,
       c.updated_at AS synced_at,
       c.created_at,
       c.updated_at
FROM public.voice_calls c
WHERE c.provider = 'beyond_presence';

CREATE VIEW public.beyond_call_messages AS
SELECT m.id,
       c.provider_call_id AS call_id,
       m.content AS message,
       m."timestamp" AS sent_at,
       CASE m.role WHEN 'user' THEN 'user' ELSE 'ai' END AS sender,
       m.created_at AS synced_at,
       m.created_at
FROM public.voice_messages m
JOIN public.voice_calls c ON c.id = m.call_id
WHERE c.provider = 'beyond_presence' AND NOT m.superseded;

-- A page that still syncs by itself: a call that is there gains what it lacks, and a message, which may come before its
-- call, is stored once.
CREATE OR REPLACE FUNCTION public.hookline_beyond_call_written() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO public.voice_calls AS c (provider, provider_call_id, agent_id, started_at, ended_at, phase, outcome)
    VALUES ('beyond_presence', NEW.call_id, NEW.agent_id, NEW.started_at, NEW.ended_at,
            CASE WHEN NEW.ended_at IS NOT NULL THEN 2 WHEN NEW.started_at IS NOT NULL THEN 1 END,
            CASE WHEN NEW.ended_at IS NOT NULL THEN 'completed' END)
    ON CONFLICT (provider_call_id, provider) DO UPDATE
    SET agent_id = coalesce(c.agent_id, EXCLUDED.agent_id),
        started_at = coalesce(c.started_at, EXCLUDED.started_at),
        ended_at = coalesce(c.ended_at, EXCLUDED.ended_at),
        phase = greatest(c.phase, EXCLUDED.phase),
        outcome = coalesce(c.outcome, EXCLUDED.outcome)
    RETURNING c.id, c.created_at INTO NEW.id, NEW.created_at;
    RETURN NEW;
END
$$;
CREATE TRIGGER beyond_calls_written INSTEAD OF INSERT ON public.beyond_calls
    FOR EACH ROW EXECUTE FUNCTION public.hookline_beyond_call_written();

CREATE OR REPLACE FUNCTION public.hookline_beyond_message_written() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.call_id IS NULL THEN
        RAISE not_null_violation USING MESSAGE = 'a message needs the call_id of its call';
    END IF;
    INSERT INTO public.voice_calls (provider, provider_call_id) VALUES ('beyond_presence', NEW.call_id)
    ON CONFLICT (provider_call_id, provider) DO NOTHING;
    INSERT INTO public.voice_messages (call_id, message_key, role, content, spoken_at)
    SELECT c.id, 'app:' || md5(concat_ws(' ', date_part('epoch', NEW.sent_at), NEW.message)),
           CASE NEW.sender WHEN 'user' THEN 'user' ELSE 'assistant' END::public.message_role, NEW.message, NEW.sent_at
    FROM public.voice_calls c
    WHERE c.provider = 'beyond_presence' AND c.provider_call_id = NEW.call_id
      AND NOT EXISTS (SELECT FROM public.voice_messages m -- taken over from an older table, under another key
                      WHERE m.call_id = c.id AND m.spoken_at = NEW.sent_at AND m.content = NEW.message)
    ON CONFLICT (call_id, message_key) DO NOTHING;
    RETURN NEW;
END
$$;
CREATE TRIGGER beyond_call_messages_written INSTEAD OF INSERT ON public.beyond_call_messages
    FOR EACH ROW EXECUTE FUNCTION public.hookline_beyond_message_written();

-- ---- calls ----

-- Calls that are going on, with who is on them.
DROP VIEW IF EXISTS public.active_calls_summary;
CREATE VIEW public.active_calls_summary AS
SELECT c.id,
       c.provider,
       c.provider_call_id,
       c.session_id,
       c.room_name,
       c.call_sid,
       c.status,
       c.direction,
       c.from_number,
       c.to_number,
       c.started_at,
       c.connected_at,
       c.created_at,
       c.user_id,
       u.name AS user_name,
       u.email AS user_email,
       p.participant_count,
       p.participant_names
FROM public.voice_calls c
LEFT JOIN public.users u ON u.id = c.user_id
LEFT JOIN LATERAL (
    SELECT count(*) AS participant_count,
           array_agg(coalesce(p.participant_name, p.participant_identity) ORDER BY p.joined_at, p.id) AS participant_names
    FROM public.call_participants p
    WHERE p.call_id = c.id AND p.left_at IS NULL
) p ON true
WHERE c.status = 'active';

-- Each call in numbers.
DROP VIEW IF EXISTS public.call_analytics;
CREATE VIEW public.call_analytics AS
SELECT c.id,
       c.provider,
       c.session_id,
       c.room_name,
       c.call_sid,
       c.user_id,
       c.business_id,
       c.agent_id,
       c.status,
       c.end_reason,
       c.direction,
       c.created_at,
       c.started_at,
       c.connected_at,
       c.ended_at,
       c.duration_seconds,
       c.connected_at - c.started_at AS time_to_connect,
       c.ai_agent_used,
       c.total_tokens_used,
       c.cost,
       c.cost_currency,
       m.message_count,
       m.user_messages,
       m.assistant_messages,
       m.system_messages,
       m.tokens_of_messages,
       (SELECT count(*) FROM public.call_participants p WHERE p.call_id = c.id) AS participant_count
FROM public.voice_calls c
LEFT JOIN LATERAL (
    SELECT count(*) AS message_count,
           count(*) FILTER (WHERE m.role = 'user') AS user_messages,
           count(*) FILTER (WHERE m.role = 'assistant') AS assistant_messages,
           count(*) FILTER (WHERE m.role = 'system') AS system_messages,
           sum(m.tokens_used) AS tokens_of_messages
    FROM public.voice_messages m
    WHERE m.call_id = c.id AND NOT m.superseded
) m ON true;

-- ---- alerts: each is empty while all is well ----

-- More than 5 % of the last day's calls failed for technical reasons. What several providers tell of one phone call is one
-- call, and failed if any of them says so.
DROP VIEW IF EXISTS public.alert_failure_rate;
CREATE VIEW public.alert_failure_rate AS
SELECT calls, failed, round(100.0 * failed / calls, 2) AS failure_rate
FROM (SELECT count(*) AS calls, count(*) FILTER (WHERE call.failed) AS failed
      FROM (SELECT bool_or(c.status = 'failed' AND public.hookline_is_technical(c.provider, c.end_reason)) AS failed
            FROM public.voice_calls c
            WHERE c.created_at > now() - interval '1 day'
            GROUP BY coalesce(c.call_sid, c.id::text)) call) day
WHERE failed > 0.05 * calls;

-- Calls that have been active for more than two hours.
DROP VIEW IF EXISTS public.alert_long_calls;
CREATE VIEW public.alert_long_calls AS
SELECT c.id,
       c.provider,
       c.provider_call_id,
       c.call_sid,
       c.session_id,
       coalesce(c.connected_at, c.started_at, c.created_at) AS active_since,
       now() - coalesce(c.connected_at, c.started_at, c.created_at) AS active_for
FROM public.voice_calls c
WHERE c.status = 'active' AND coalesce(c.connected_at, c.started_at, c.created_at) < now() - interval '2 hours';

-- Today's tokens are more than twice the daily average of the 30 days before, or of as many as there are. Without any
-- tokens before there is nothing to compare with.
DROP VIEW IF EXISTS public.alert_token_spike;
CREATE VIEW public.alert_token_spike AS
SELECT today, round(before / days, 1) AS daily_average
FROM (SELECT coalesce(sum(c.total_tokens_used) FILTER (WHERE c.created_at >= current_date), 0) AS today,
             sum(c.total_tokens_used) FILTER (WHERE c.created_at < current_date) AS before,
             current_date - min(c.created_at)::date AS days
      FROM public.voice_calls c
      WHERE c.created_at >= current_date - 30) t
WHERE days > 0 AND before > 0 AND today > 2 * before / days;

-- Tables of more than 16 MiB that grew by more than half within a week: as far as there are samples of these days, or nearly.
DROP VIEW IF EXISTS public.alert_storage_growth;
CREATE VIEW public.alert_storage_growth AS
SELECT s.table_name, s.bytes, s.bytes_before, round(100.0 * (s.bytes - s.bytes_before) / s.bytes_before, 1) AS growth
FROM (SELECT DISTINCT ON (l.table_name) l.table_name, l.bytes,
             (SELECT b.bytes FROM public.storage_samples b
              WHERE b.table_name = l.table_name AND b.day BETWEEN l.day - 10 AND l.day - 7
              ORDER BY b.day DESC LIMIT 1) AS bytes_before
      FROM public.storage_samples l
      WHERE l.day >= current_date - 2
      ORDER BY l.table_name, l.day DESC) s
WHERE s.bytes > 16 * 1024 * 1024 AND s.bytes > 1.5 * s.bytes_before;

-- The views were made anew, and show nobody anything until they are secured again (repeatable_policies.sql).
SELECT public.hookline_secure();
