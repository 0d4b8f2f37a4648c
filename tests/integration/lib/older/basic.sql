-- voice_calls as its first version had it: numbers for ids, text for statuses and users, no session, no messages.
CREATE TABLE voice_calls (
    id serial PRIMARY KEY,
    caller_id varchar(255),
    room_name varchar(255) NOT NULL,
    status varchar(50) DEFAULT 'pending',
    started_at timestamp with time zone,
    ended_at timestamp with time zone,
    duration_seconds integer,
    recording_url text,
    transcript text,
    metadata jsonb,
    created_at timestamp with time zone DEFAULT now()
);
CREATE INDEX idx_voice_calls_room ON voice_calls (room_name);
CREATE TABLE call_participants (
    id serial PRIMARY KEY,
    call_id integer REFERENCES voice_calls (id) ON DELETE CASCADE,
    user_id varchar(255),
    participant_name varchar(255),
    joined_at timestamp with time zone DEFAULT now(),
    left_at timestamp with time zone,
    duration_seconds integer,
    is_muted boolean DEFAULT false
);

INSERT INTO voice_calls (caller_id, room_name, status, started_at, ended_at, duration_seconds, recording_url, transcript, metadata, created_at) VALUES
    ('8f14e45f-ceea-467f-a8ba-000000000001', 'support', 'completed', '2025-11-01 10:00:00.123456+00', '2025-11-01 10:05:00+00', 299, 'https://rec.example.com/1', 'hello', '{"ticket": 7, "none": null}', '2025-11-01 09:59:59+00'),
    ('8f14e45f-ceea-467f-a8ba-000000000001', 'support', 'ended', '2025-11-02 10:00:00+00', '2025-11-02 10:05:00+00', 300, NULL, NULL, '[1, 2]', '2025-11-02 10:00:00+00'),
    ('bob@example.com', 'sales', 'no-answer', NULL, NULL, NULL, NULL, NULL, NULL, NULL),
    ('+12025550143', 'lobby', 'in-progress', '2025-11-03 10:00:00+00', NULL, NULL, NULL, NULL, NULL, '2025-11-03 10:00:00+00'),
    ('', 'odd', 'on hold, then lost', '2025-11-04 10:00:00+00', NULL, NULL, NULL, NULL, NULL, '2025-11-04 10:00:00+00'),
    (NULL, 'nothing', NULL, NULL, NULL, NULL, NULL, NULL, NULL, '2025-11-05 10:00:00+00');
INSERT INTO call_participants (call_id, user_id, participant_name, joined_at, left_at, duration_seconds, is_muted) VALUES
    (1, '8f14e45f-ceea-467f-a8ba-000000000001', 'Ada', '2025-11-01 10:00:01+00', '2025-11-01 10:05:00+00', 299, false),
    (1, 'bob@example.com', 'Bob', '2025-11-01 10:00:02+00', NULL, NULL, true),
    (NULL, 'ghost', 'Nobody''s', NULL, NULL, NULL, NULL);
