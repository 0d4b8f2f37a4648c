-- What else may bear a name of ours: a partitioned table, rows without an id or with another's, columns with odd names, a
-- type, a sequence, a view and a materialized view.
CREATE TABLE call_events (id bigint, call_sid text, call_status text, created_at timestamptz) PARTITION BY RANGE (created_at);
CREATE TABLE call_events_2026_11 PARTITION OF call_events FOR VALUES FROM ('2026-11-01') TO ('2026-12-01');
CREATE TABLE call_events_rest PARTITION OF call_events DEFAULT;
CREATE VIEW conversation_transcripts AS SELECT call_sid, 'hello' AS message FROM call_events;
CREATE MATERIALIZED VIEW call_analytics AS SELECT count(*) FROM call_events;
CREATE SEQUENCE reconcile_runs;
CREATE TYPE call_status AS ENUM ('ringing', 'gone');
CREATE TABLE voice_calls ("ID" integer, status call_status);
CREATE TABLE users (id uuid, "Weird Name" text, "select" integer, mood call_status, role text);

INSERT INTO call_events VALUES
    (1, 'CA00000000000000000000000000000001', 'completed', '2026-11-02 00:00:00+00'),
    (1, 'CA00000000000000000000000000000001', 'ringing', '2026-10-02 00:00:00+00'),
    (NULL, NULL, NULL, NULL);
INSERT INTO voice_calls VALUES (1, 'gone');
INSERT INTO users VALUES
    (NULL, 'no id', 3, 'gone', NULL),
    ('8f14e45f-ceea-467f-a8ba-000000000001', 'the first', 4, NULL, 'admin'),
    ('8f14e45f-ceea-467f-a8ba-000000000001', 'the second', 5, 'ringing', 'admin');
