-- Beyond Presence's calls and messages, as a browser page synced them.
CREATE TABLE beyond_calls (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    call_id text UNIQUE NOT NULL,
    agent_id text NOT NULL,
    started_at timestamptz NOT NULL,
    ended_at timestamptz,
    synced_at timestamptz DEFAULT now(),
    created_at timestamptz DEFAULT now(),
    updated_at timestamptz DEFAULT now()
);
CREATE TABLE beyond_call_messages (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    call_id text NOT NULL, -- its foreign key was dropped, since messages came before their call
    message text NOT NULL,
    sent_at timestamptz NOT NULL,
    sender text NOT NULL CHECK (sender IN ('ai', 'user')),
    synced_at timestamptz DEFAULT now(),
    created_at timestamptz DEFAULT now()
);
INSERT INTO beyond_calls (id, call_id, agent_id, started_at, ended_at, synced_at, created_at, updated_at) VALUES
    ('00000000-0000-4000-b000-000000000001', 'bey-call-1', 'bey-agent', '2025-12-01 10:00:00+00', '2025-12-01 10:10:00+00', '2025-12-01 10:15:00+00', '2025-12-01 10:15:00+00', '2025-12-01 10:15:00+00'),
    ('00000000-0000-4000-b000-000000000002', 'bey-call-2', 'bey-agent', '2025-12-02 10:00:00+00', NULL, '2025-12-02 10:15:00+00', '2025-12-02 10:15:00+00', '2025-12-02 10:15:00+00');
INSERT INTO beyond_call_messages (id, call_id, message, sent_at, sender) VALUES
    ('00000000-0000-4000-c000-000000000001', 'bey-call-1', 'Hello, how are you?', '2025-12-01 10:00:01+00', 'ai'),
    ('00000000-0000-4000-c000-000000000002', 'bey-call-1', 'Fine', '2025-12-01 10:00:05+00', 'user'),
    ('00000000-0000-4000-c000-000000000003', 'bey-call-gone', 'Is anybody there?', '2025-12-03 10:00:05+00', 'user');
