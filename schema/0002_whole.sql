-- The whole schema: what more is known of a call, whose agent took it and who called, what is synced and dialled, what
-- reconcile did, and what an application that was written for the older tables expects of them.
--
-- Runs once, in one transaction. Never edited after release: views and functions that may change are in
-- repeatable_*.sql.

-- More of CALL_COLUMNS (src/event/fact.h), in its order.
ALTER TABLE public.voice_calls
    ADD COLUMN recording jsonb,                -- of recording_url: id, seconds, bytes, channels …
    ADD COLUMN customer_name text,
    ADD COLUMN customer_email text,
    ADD COLUMN forwarded_from text,
    ADD COLUMN transferred_to text,            -- number, SIP address or assistant
    ADD COLUMN sentiment text,                 -- the provider's word
    ADD COLUMN analysis jsonb,                 -- the provider's evaluation of the call, as it came
    ADD COLUMN extracted_fields jsonb,         -- what the provider drew from it, untouched
    ADD COLUMN confirmed boolean;              -- false: only unsigned requests told of it so far

-- Read many times over by the statement that merges a row: never to be unpacked for it.
ALTER TABLE public.voice_calls ALTER COLUMN versions SET STORAGE PLAIN;

-- ---- what applications write themselves ----

-- An application's call waits, without an id of its provider's, until its room claims it.
ALTER TABLE public.voice_calls ALTER COLUMN provider SET DEFAULT 'livekit';
ALTER TABLE public.voice_messages
    ALTER COLUMN message_key SET DEFAULT 'app:' || gen_random_uuid(),
    ALTER COLUMN source SET DEFAULT 'app',
    ADD COLUMN model_used text,                -- applications' word for model: always the same
    ADD COLUMN "timestamp" timestamptz GENERATED ALWAYS AS (coalesce(spoken_at, created_at)) STORED;
ALTER TABLE public.call_participants
    ALTER COLUMN participant_id SET DEFAULT 'app:' || gen_random_uuid(),
    ADD COLUMN is_muted boolean,
    ADD COLUMN metadata jsonb;
ALTER TABLE public.users ADD COLUMN metadata jsonb;
ALTER TABLE public.leads ADD COLUMN metadata jsonb;

-- An application's own events, beside hookline's. Seconds, as Twilio's callbacks give them.
ALTER TABLE public.call_events
    ALTER COLUMN provider SET DEFAULT 'app',
    ALTER COLUMN event_key SET DEFAULT 'app:' || gen_random_uuid(),
    ADD COLUMN duration integer;
UPDATE public.call_events SET duration = (payload ->> 'CallDuration')::integer WHERE payload ->> 'CallDuration' ~ '^[0-9]{1,9}$';

-- The dashboard, the alert on long calls and the search for stale ones read the few calls that are going on.
CREATE INDEX voice_calls_active ON public.voice_calls (created_at DESC) WHERE status = 'active';
-- For the user who appears after the participant. A provider's other identities are shorter than a UUID, or longer.
CREATE INDEX call_participants_unknown_user ON public.call_participants (lower(participant_identity))
    WHERE user_id IS NULL AND length(participant_identity) = 36;

-- ---- whose agent took the call, and who called ----

CREATE TABLE public.businesses (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    name text,
    teli_agent_id text COLLATE "C",            -- as older applications write it; business_agents follows
    metadata jsonb,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now()
);

-- Whose agent it is, by each notation of the agent's id. A table, not an array: one id belongs to one business.
CREATE TABLE public.business_agents (
    provider text COLLATE "C" NOT NULL,
    agent_id text COLLATE "C" NOT NULL,
    business_id uuid NOT NULL REFERENCES public.businesses (id) ON DELETE CASCADE,
    PRIMARY KEY (agent_id, provider)
);

CREATE TABLE public.customers (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    business_id uuid REFERENCES public.businesses (id) ON DELETE CASCADE,
    phone_number text COLLATE "C",             -- E.164, by a trigger, wherever it is a number at all
    name text,
    email text,
    extracted_fields jsonb,                    -- of the last call that gave any
    first_call_at timestamptz,
    last_call_at timestamptz,
    metadata jsonb,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (business_id, phone_number)
);

ALTER TABLE public.voice_calls ADD COLUMN business_id uuid REFERENCES public.businesses (id) ON DELETE SET NULL;

-- ---- what is synced both ways, and what a call to it does ----
--
-- Three hashes tell who changed an object: ours now, at the last sync, and the provider's. All different: a conflict.

CREATE TABLE public.agents (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    provider text COLLATE "C" NOT NULL DEFAULT 'vapi',
    vapi_assistant_id varchar(255) COLLATE "C",
    business_id uuid REFERENCES public.businesses (id) ON DELETE SET NULL,
    name text,
    greeting text,
    prompt text,
    config jsonb,                              -- voice, model and all else, in the provider's own form
    action text CHECK (action IN ('bridge', 'stream', 'answer')), -- what a call to it does
    local_hash text,
    baseline_hash text,
    remote_hash text,
    synced_at timestamptz,
    sync_error text,
    remote_deleted_at timestamptz,
    metadata jsonb,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now()
);
CREATE UNIQUE INDEX agents_vapi_assistant_id ON public.agents (vapi_assistant_id) WHERE vapi_assistant_id IS NOT NULL;

CREATE TABLE public.phone_numbers (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    number text COLLATE "C",                   -- E.164, by a trigger
    name text,
    provider text COLLATE "C",                 -- who carries it
    vapi_phone_id varchar(255) COLLATE "C",
    vapi_assistant_id varchar(255) COLLATE "C",
    agent_id uuid REFERENCES public.agents (id) ON DELETE SET NULL,
    business_id uuid REFERENCES public.businesses (id) ON DELETE SET NULL,
    action text CHECK (action IN ('bridge', 'stream', 'answer')), -- NULL: as its agent says
    greeting text,
    local_hash text,
    baseline_hash text,
    remote_hash text,
    synced_at timestamptz,
    sync_error text,
    remote_deleted_at timestamptz,
    metadata jsonb,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now()
);
CREATE UNIQUE INDEX phone_numbers_number ON public.phone_numbers (number) WHERE number IS NOT NULL;
CREATE UNIQUE INDEX phone_numbers_vapi_phone_id ON public.phone_numbers (vapi_phone_id) WHERE vapi_phone_id IS NOT NULL;

-- ---- the dialling queue ----

CREATE TABLE public.outbound_calls (
    id bigint GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY,
    idempotency_key text COLLATE "C" UNIQUE,
    user_id uuid REFERENCES public.users (id) ON DELETE SET NULL, -- who asked for it
    lead_id bigint REFERENCES public.leads (id) ON DELETE SET NULL,
    agent_id uuid REFERENCES public.agents (id) ON DELETE SET NULL,
    to_number text NOT NULL,
    from_number text,
    message text,
    priority smallint NOT NULL DEFAULT 0,      -- the greatest first
    status text NOT NULL DEFAULT 'queued' CHECK (status IN ('queued', 'dialling', 'dialled', 'failed', 'canceled')),
    attempts integer NOT NULL DEFAULT 0,
    not_before timestamptz NOT NULL DEFAULT now(),
    leased_by text,                            -- the instance that dials it now
    leased_until timestamptz,
    call_sid text COLLATE "C",
    error text,
    metadata jsonb,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX outbound_calls_queue ON public.outbound_calls (priority DESC, not_before, id) WHERE status IN ('queued', 'dialling');

-- ---- what was fetched from the providers ----

CREATE TABLE public.reconcile_state (
    provider text COLLATE "C" NOT NULL,
    resource text COLLATE "C" NOT NULL,
    watermark timestamptz,                     -- everything before it is covered
    cursor text,                               -- where a pass that was cut off goes on
    last_run_id bigint,
    leased_by text,
    leased_until timestamptz,
    updated_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (provider, resource)
);

CREATE TABLE public.reconcile_runs (
    id bigint GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY,
    provider text COLLATE "C" NOT NULL,
    resource text COLLATE "C",
    asked_by text,                             -- the schedule, a command, a user of the API
    dry_run boolean NOT NULL DEFAULT false,
    since timestamptz,
    until timestamptz,
    status text NOT NULL DEFAULT 'running' CHECK (status IN ('running', 'done', 'failed', 'canceled')),
    fetched bigint NOT NULL DEFAULT 0,
    created bigint NOT NULL DEFAULT 0,
    updated bigint NOT NULL DEFAULT 0,
    unchanged bigint NOT NULL DEFAULT 0,
    duplicate bigint NOT NULL DEFAULT 0,
    skipped jsonb NOT NULL DEFAULT '{}',       -- reason → count
    per_business jsonb NOT NULL DEFAULT '{}',
    errors jsonb NOT NULL DEFAULT '[]',
    started_at timestamptz NOT NULL DEFAULT now(),
    finished_at timestamptz
);
CREATE INDEX reconcile_runs_newest ON public.reconcile_runs (provider, started_at DESC);

-- One row that a run changed, with what it was: enough to put it back.
CREATE TABLE public.reconcile_changes (
    id bigint GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY,
    run_id bigint NOT NULL REFERENCES public.reconcile_runs (id) ON DELETE CASCADE,
    table_name text NOT NULL,
    row_id text NOT NULL,
    before jsonb,                              -- NULL: the row is new
    after jsonb,
    changed_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX reconcile_changes_run ON public.reconcile_changes (run_id, id);

-- ---- how large the tables were, a sample a day: for alert_storage_growth ----

CREATE TABLE public.storage_samples (
    table_name text NOT NULL,
    day date NOT NULL,
    bytes bigint NOT NULL,                     -- with its indexes, and what is stored out of line
    PRIMARY KEY (table_name, day)
);
