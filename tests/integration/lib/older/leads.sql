-- Leads, Twilio's events and transcripts, tied by call_sid. In this database the unique constraint on call_sid was never
-- added, and rows of all kinds got in.
CREATE TABLE leads (
    id serial PRIMARY KEY,
    name varchar(255),
    phone varchar(50),
    email varchar(255),
    company varchar(255) DEFAULT 'none',
    call_sid varchar(50),
    lead_status varchar(50) DEFAULT 'new',
    last_contacted_at timestamptz,
    notes text,
    created_at timestamptz DEFAULT now(),
    updated_at timestamptz DEFAULT now()
);
CREATE INDEX idx_leads_call_sid ON leads (call_sid);
CREATE TABLE call_events (
    id serial PRIMARY KEY,
    call_sid varchar(50),
    event_type varchar(50),
    to_number varchar(50),
    from_number varchar(50),
    call_status varchar(50),
    direction varchar(50),
    duration integer,
    raw_data jsonb,
    created_at timestamptz DEFAULT now()
);
CREATE TABLE conversation_transcripts (
    id serial PRIMARY KEY,
    call_sid varchar(50),
    speaker varchar(20),
    message text,
    confidence numeric(4, 3),
    "timestamp" timestamptz DEFAULT now()
);

INSERT INTO leads (id, name, phone, email, company, call_sid, lead_status, last_contacted_at, notes, created_at) VALUES
    (123, 'John Doe', '+12025550143', 'john@example.com', 'Acme', 'CA00000000000000000000000000000001', 'contacted', '2025-11-23 10:30:00+00', 'Outbound call initiated', '2025-11-01 00:00:00+00'),
    (124, 'His twin', '+12025550143', NULL, 'Acme', 'CA00000000000000000000000000000001', 'contacted', '2025-11-22 10:30:00+00', NULL, '2025-11-02 00:00:00+00'),
    (200, 'No number', 'call me maybe', NULL, NULL, NULL, 'new', NULL, NULL, '2025-11-03 00:00:00+00'),
    (201, 'Never heard', '(202) 555-0144', NULL, NULL, 'CA00000000000000000000000000000009', NULL, NULL, NULL, NULL);
INSERT INTO call_events (id, call_sid, event_type, to_number, from_number, call_status, direction, duration, raw_data, created_at) VALUES
    (1, 'CA00000000000000000000000000000001', 'status', '+12025550143', '+12025550100', 'initiated', 'outbound-api', NULL, '{"SequenceNumber": "0"}', '2025-11-23 10:29:00+00'),
    (2, 'CA00000000000000000000000000000001', 'status', '+12025550143', '+12025550100', 'in-progress', 'outbound-api', NULL, NULL, '2025-11-23 10:29:30+00'),
    (3, 'CA00000000000000000000000000000001', 'status', '+12025550143', '+12025550100', 'completed', 'outbound-api', 60, NULL, '2025-11-23 10:30:30+00'),
    (4, 'CA00000000000000000000000000000002', 'status', '+12025550100', 'anonymous', 'ringing', 'inbound', NULL, NULL, '2025-11-24 10:00:00+00'),
    (5, NULL, 'lost', NULL, NULL, 'completed', NULL, NULL, NULL, NULL);
INSERT INTO conversation_transcripts (id, call_sid, speaker, message, confidence, "timestamp") VALUES
    (1, 'CA00000000000000000000000000000001', 'user', 'Hello', 0.98, '2025-11-23 10:29:40+00'),
    (2, 'CA00000000000000000000000000000001', 'ai', 'Hi John', NULL, '2025-11-23 10:29:45+00'),
    (3, 'CA00000000000000000000000000000003', 'narrator', 'There was only this', NULL, NULL),
    (4, NULL, NULL, 'and this', NULL, '2025-11-25 10:00:00+00');
SELECT setval('leads_id_seq', 201), setval('call_events_id_seq', 5), setval('conversation_transcripts_id_seq', 4);
