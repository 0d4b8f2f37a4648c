-- Businesses and their customers, with Teli's data in them; Vapi's agents and numbers.
CREATE TABLE businesses (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    name text NOT NULL,
    teli_agent_id text,
    timezone text NOT NULL DEFAULT 'America/Chicago',
    created_at timestamptz DEFAULT now()
);
CREATE TABLE customers (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    business_id uuid REFERENCES businesses (id),
    phone_number text,
    name text,
    email text,
    messages jsonb DEFAULT '[]',
    extracted_fields jsonb,
    created_at timestamptz DEFAULT now()
);
CREATE TABLE agents (
    id serial PRIMARY KEY,
    name varchar(255),
    prompt text,
    voice varchar(50),
    vapi_assistant_id varchar(255),
    created_at timestamptz DEFAULT now()
);
CREATE INDEX idx_agents_vapi_assistant_id ON agents (vapi_assistant_id);
CREATE TABLE phone_numbers (
    id serial PRIMARY KEY,
    phone_number varchar(50),
    friendly_name varchar(100),
    agent_id integer REFERENCES agents (id),
    vapi_phone_id varchar(255),
    vapi_assistant_id varchar(255),
    created_at timestamptz DEFAULT now()
);
CREATE INDEX idx_phone_numbers_vapi_phone_id ON phone_numbers (vapi_phone_id);

INSERT INTO businesses (id, name, teli_agent_id, timezone) VALUES
    ('00000000-0000-4000-d000-000000000001', 'Joe''s Barber', 'agent_abc123', 'America/New_York'),
    ('00000000-0000-4000-d000-000000000002', 'Pizza Palace', 'agent_abc123', 'America/Chicago');
INSERT INTO customers (id, business_id, phone_number, name, messages, extracted_fields, created_at) VALUES
    ('00000000-0000-4000-e000-000000000001', '00000000-0000-4000-d000-000000000001', '+12025550143', 'Jane', '[{"teli_data": {"call_id": "call_1"}}]', '{"business_name": "Joe''s Barber"}', '2026-02-01 00:00:00+00'),
    ('00000000-0000-4000-e000-000000000002', '00000000-0000-4000-d000-000000000001', '+1 202-555-0143', 'Jane again', '[]', NULL, '2026-02-02 00:00:00+00'),
    ('00000000-0000-4000-e000-000000000003', '00000000-0000-4000-d000-000000000002', 'anonymous', NULL, '[]', '["odd"]', '2026-02-03 00:00:00+00'),
    ('00000000-0000-4000-e000-000000000004', NULL, NULL, NULL, NULL, NULL, NULL);
INSERT INTO agents (name, prompt, voice, vapi_assistant_id) VALUES
    ('Front desk', 'Be kind', 'shimmer', 'asst-1'), ('Night shift', NULL, 'alloy', 'asst-1'), ('Unsynced', NULL, NULL, NULL);
INSERT INTO phone_numbers (phone_number, friendly_name, agent_id, vapi_phone_id, vapi_assistant_id) VALUES
    ('682-626-9224', 'Main', 1, 'phone-1', 'asst-1'), ('+19724741424', 'Second', 2, 'phone-2', NULL), ('+1 972 474 1424', 'Twice', NULL, 'phone-2', NULL);
