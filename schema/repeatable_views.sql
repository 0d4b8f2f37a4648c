-- Views: the names that users of the older systems query. Runs again whenever its text changes, in one transaction.

-- What was said, by the best source of each call.
DROP VIEW IF EXISTS public.conversation_transcripts;
CREATE VIEW public.conversation_transcripts AS
SELECT m.id,
       c.call_sid,
       m.call_id,
       c.provider,
       m.role,
       m.content,
       m.content AS message,
       coalesce(m.spoken_at, m.created_at) AS "timestamp",
       m.sequence_number,
       m.interrupted,
       m.source
FROM public.voice_messages m
JOIN public.voice_calls c ON c.id = m.call_id
WHERE NOT m.superseded;

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
