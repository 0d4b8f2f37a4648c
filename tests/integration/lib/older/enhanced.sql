-- voice_calls as its second version had it: UUIDs, enums, messages, users, triggers, views, row level security; and, left
-- over from its own migration, the first version's table under another name.
CREATE TYPE call_status AS ENUM ('pending', 'active', 'completed', 'failed');
CREATE TYPE message_role AS ENUM ('user', 'assistant', 'system');
CREATE TABLE users (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    email text,
    name text,
    role text DEFAULT 'user',
    password_hash text,
    plan text NOT NULL DEFAULT 'free',
    created_at timestamptz DEFAULT now()
);
CREATE TABLE voice_calls (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    user_id uuid REFERENCES users (id) ON DELETE SET NULL,
    session_id varchar(255) NOT NULL UNIQUE,
    room_name varchar(255),
    status call_status NOT NULL DEFAULT 'pending',
    started_at timestamptz,
    connected_at timestamptz,
    ended_at timestamptz,
    duration_seconds integer,
    recording_url text,
    transcript text,
    transcript_url text,
    ai_agent_used boolean DEFAULT false,
    total_tokens_used integer DEFAULT 0,
    metadata jsonb DEFAULT '{}',
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX idx_voice_calls_user_id ON voice_calls (user_id) WHERE user_id IS NOT NULL;
CREATE INDEX idx_voice_calls_session_id ON voice_calls (session_id);
CREATE INDEX idx_voice_calls_active ON voice_calls (created_at DESC) WHERE status = 'active';
CREATE INDEX idx_voice_calls_ai_agent ON voice_calls (ai_agent_used) WHERE ai_agent_used = true;
CREATE TABLE voice_messages (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    call_id uuid NOT NULL REFERENCES voice_calls (id) ON DELETE CASCADE,
    role message_role NOT NULL,
    content text NOT NULL,
    audio_url text,
    tokens_used integer DEFAULT 0,
    model_used varchar(100),
    sequence_number integer NOT NULL,
    "timestamp" timestamptz NOT NULL DEFAULT now(),
    metadata jsonb DEFAULT '{}'
);
CREATE INDEX idx_voice_messages_call_sequence ON voice_messages (call_id, sequence_number);
CREATE TABLE call_participants (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    call_id uuid NOT NULL REFERENCES voice_calls (id) ON DELETE CASCADE,
    user_id uuid REFERENCES users (id) ON DELETE SET NULL,
    participant_identity varchar(255) NOT NULL,
    participant_name varchar(255),
    participant_type varchar(50) DEFAULT 'user',
    joined_at timestamptz NOT NULL DEFAULT now(),
    left_at timestamptz,
    duration_seconds integer,
    is_muted boolean DEFAULT false
);
CREATE FUNCTION calculate_call_duration() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.ended_at IS NOT NULL AND NEW.connected_at IS NOT NULL THEN
        NEW.duration_seconds := extract(epoch FROM NEW.ended_at - NEW.connected_at)::integer;
    END IF;
    RETURN NEW;
END
$$;
CREATE TRIGGER voice_calls_calculate_duration_trigger BEFORE INSERT OR UPDATE ON voice_calls
    FOR EACH ROW EXECUTE FUNCTION calculate_call_duration();
CREATE FUNCTION update_call_tokens() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE voice_calls SET total_tokens_used = (SELECT coalesce(sum(tokens_used), 0) FROM voice_messages WHERE call_id = NEW.call_id)
    WHERE id = NEW.call_id;
    RETURN NEW;
END
$$;
CREATE TRIGGER voice_messages_update_tokens_trigger AFTER INSERT OR UPDATE ON voice_messages
    FOR EACH ROW EXECUTE FUNCTION update_call_tokens();
CREATE VIEW active_calls_summary AS
    SELECT vc.id, vc.session_id, u.name FROM voice_calls vc LEFT JOIN users u ON u.id = vc.user_id WHERE vc.status = 'active';
CREATE VIEW call_analytics AS
    SELECT vc.id, vc.created_at, count(vm.id) AS message_count FROM voice_calls vc LEFT JOIN voice_messages vm ON vm.call_id = vc.id GROUP BY vc.id;
ALTER TABLE voice_calls ENABLE ROW LEVEL SECURITY;
ALTER TABLE voice_messages ENABLE ROW LEVEL SECURITY;
CREATE POLICY voice_calls_select_own ON voice_calls FOR SELECT USING (user_id IS NOT NULL);

-- The application's own, that point at the older tables.
CREATE TABLE invoices (id serial PRIMARY KEY, call_id uuid REFERENCES voice_calls (id), user_id uuid REFERENCES users (id));
CREATE VIEW calls_a_day AS SELECT date_trunc('day', created_at) AS day, count(*) FROM voice_calls GROUP BY 1;
CREATE TABLE voice_calls_old (id serial PRIMARY KEY, room_name text);
INSERT INTO voice_calls_old (room_name) VALUES ('of the first version');

INSERT INTO users (id, email, name, role, password_hash, plan, created_at) VALUES
    ('8f14e45f-ceea-467f-a8ba-000000000001', 'ada@example.com', 'Ada', 'admin', 'x1', 'paid', '2025-10-01 00:00:00+00'),
    ('8f14e45f-ceea-467f-a8ba-000000000002', 'ada@example.com', 'Ada''s twin', 'owner', 'x2', 'free', '2025-10-02 00:00:00+00');
INSERT INTO voice_calls (id, user_id, session_id, room_name, status, started_at, connected_at, ended_at, recording_url, transcript, transcript_url, ai_agent_used, metadata, created_at, updated_at) VALUES
    ('00000000-0000-4000-8000-000000000001', '8f14e45f-ceea-467f-a8ba-000000000001', 'support-1', 'Support Call', 'completed', '2025-12-29 10:00:00+00', '2025-12-29 10:00:02+00', '2025-12-29 10:01:02.5+00', 'https://rec.example.com/2', 'User: hi', 'https://s3.example.com/t', true, '{"ticket": 7}', '2025-12-29 09:59:00.000001+00', '2025-12-29 10:01:03+00'),
    ('00000000-0000-4000-8000-000000000002', '8f14e45f-ceea-467f-a8ba-000000000002', 'support-2', 'Support Call', 'active', '2025-12-29 11:00:00+00', '2025-12-29 11:00:02+00', NULL, NULL, NULL, NULL, false, '{}', '2025-12-29 11:00:00+00', '2025-12-29 11:00:02+00'),
    ('00000000-0000-4000-8000-000000000003', NULL, 'support-3', NULL, 'failed', NULL, NULL, '2025-12-29 12:00:00+00', NULL, NULL, NULL, false, NULL, '2025-12-29 12:00:00+00', '2025-12-29 12:00:00+00'),
    ('00000000-0000-4000-8000-000000000004', NULL, 'support-4', NULL, 'pending', NULL, NULL, NULL, NULL, NULL, NULL, NULL, '{}', '2025-12-29 13:00:00+00', '2025-12-29 13:00:00+00');
INSERT INTO voice_messages (id, call_id, role, content, audio_url, tokens_used, model_used, sequence_number, "timestamp", metadata) VALUES
    ('00000000-0000-4000-9000-000000000001', '00000000-0000-4000-8000-000000000001', 'user', 'hi', 'https://a.example.com/1', 0, NULL, 0, '2025-12-29 10:00:03+00', '{}'),
    ('00000000-0000-4000-9000-000000000002', '00000000-0000-4000-8000-000000000001', 'assistant', 'hello', NULL, 150, 'gpt-4-turbo', 1, '2025-12-29 10:00:05+00', '{"mood": "good"}'),
    ('00000000-0000-4000-9000-000000000003', '00000000-0000-4000-8000-000000000002', 'assistant', 'how can I help', NULL, 30, 'gpt-4-turbo', 0, '2025-12-29 11:00:05+00', '{}');
INSERT INTO call_participants (id, call_id, user_id, participant_identity, participant_name, participant_type, joined_at, left_at, duration_seconds, is_muted) VALUES
    ('00000000-0000-4000-a000-000000000001', '00000000-0000-4000-8000-000000000001', '8f14e45f-ceea-467f-a8ba-000000000001', '8f14e45f-ceea-467f-a8ba-000000000001', 'Ada', 'user', '2025-12-29 10:00:02+00', '2025-12-29 10:01:02+00', 60, false),
    ('00000000-0000-4000-a000-000000000002', '00000000-0000-4000-8000-000000000001', NULL, 'agent-1', 'Front desk', 'agent', '2025-12-29 10:00:01+00', NULL, NULL, true),
    ('00000000-0000-4000-a000-000000000003', '00000000-0000-4000-8000-000000000002', NULL, 'rec-1', NULL, 'recorder', '2025-12-29 11:00:01+00', NULL, NULL, NULL);
INSERT INTO invoices (call_id, user_id) VALUES ('00000000-0000-4000-8000-000000000001', '8f14e45f-ceea-467f-a8ba-000000000001');
