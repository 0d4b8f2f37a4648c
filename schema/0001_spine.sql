-- The spine: what was heard (event_keys, call_events), what it means (voice_calls, voice_messages, call_participants),
-- who may see it (users), and who it was about (leads, lead_calls).
--
-- Ids and keys are COLLATE "C": compared byte by byte, whatever the database's language.
--
-- Runs once, in one transaction. Never edited after release: views and functions that may change are in
-- repeatable_*.sql.

CREATE TYPE public.call_status AS ENUM ('pending', 'active', 'completed', 'failed');
CREATE TYPE public.message_role AS ENUM ('user', 'assistant', 'system');
CREATE TYPE public.participant_type AS ENUM ('user', 'agent', 'admin');

-- That a delivery was seen. Narrow, so that dedup is global and does not lean on anybody's timestamp.
CREATE TABLE public.event_keys (
    key_hash uuid PRIMARY KEY,                -- the first 16 bytes of sha256(provider || ':' || event_key)
    seen_at timestamptz NOT NULL DEFAULT now()
);

-- One row an event, and one a dead letter (error is set; raw holds the body where it was not JSON).
CREATE SEQUENCE public.call_events_id_seq;
CREATE TABLE public.call_events (
    id bigint NOT NULL DEFAULT nextval('public.call_events_id_seq'),
    received_at timestamptz NOT NULL DEFAULT now(),  -- first receipt
    provider text COLLATE "C" NOT NULL,
    event_key text COLLATE "C" NOT NULL,
    event_type text,                          -- the provider's word
    way text NOT NULL DEFAULT 'webhook',      -- webhook, media, reconcile, replay
    provider_call_id text COLLATE "C",
    call_sid text COLLATE "C",                            -- Twilio's Call SID, whichever provider told it
    from_number text,
    to_number text,
    call_status text,                         -- the provider's word
    occurred_at timestamptz,                  -- the provider's clock
    payload jsonb,                            -- redacted; a form as an object
    raw bytea,
    error text,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (id, received_at)
) PARTITION BY RANGE (received_at);
ALTER SEQUENCE public.call_events_id_seq OWNED BY public.call_events.id;
CREATE TABLE public.call_events_default PARTITION OF public.call_events DEFAULT;
CREATE INDEX call_events_call_sid ON public.call_events (call_sid) WHERE call_sid IS NOT NULL;
CREATE INDEX call_events_dead ON public.call_events (received_at) WHERE error IS NOT NULL;

CREATE TABLE public.users (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    email text UNIQUE,
    name text,
    role text NOT NULL DEFAULT 'user' CHECK (role IN ('user', 'admin')),
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now()
);

-- One call as one provider sees it. The columns from phase to metadata are those of CALL_COLUMNS (src/event/fact.h); a
-- value's version is in versions, at that column's place there, and decides which value wins.
CREATE TABLE public.voice_calls (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    provider text COLLATE "C" NOT NULL,
    provider_call_id text COLLATE "C",
    user_id uuid REFERENCES public.users (id) ON DELETE SET NULL,
    status public.call_status NOT NULL DEFAULT 'pending',
    phase smallint,                           -- 0 pending, 1 active, 2 ended: only rises
    outcome text,                             -- completed or failed; NULL: completed if it was ever connected
    end_reason text,                          -- the provider's word
    session_id text COLLATE "C",
    room_name text,
    call_sid text COLLATE "C",
    parent_call_sid text,
    account_id text,
    direction text,
    from_number text,
    to_number text,
    customer_number text COLLATE "C",                     -- E.164: the human's side
    started_at timestamptz,
    connected_at timestamptz,
    ended_at timestamptz,
    duration_seconds integer,
    recording_url text,
    transcript text,
    transcript_source text,                   -- whose voice_messages are shown
    summary text,
    total_tokens_used bigint,
    cost numeric,
    cost_currency text,
    agent_id text,
    agent_name text,
    ai_agent_used boolean,
    answered_by text,
    metadata jsonb,
    versions bigint[] NOT NULL DEFAULT '{}',
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (provider_call_id, provider)
) WITH (fillfactor = 75);                     -- a call's row is updated several times: room for it on its page
CREATE INDEX voice_calls_call_sid ON public.voice_calls (call_sid) WHERE call_sid IS NOT NULL;
CREATE INDEX voice_calls_session_id ON public.voice_calls (session_id) WHERE session_id IS NOT NULL;
CREATE INDEX voice_calls_customer_number ON public.voice_calls (customer_number) WHERE customer_number IS NOT NULL;
CREATE INDEX voice_calls_created_at ON public.voice_calls (created_at);
CREATE INDEX voice_calls_user_id ON public.voice_calls (user_id) WHERE user_id IS NOT NULL;

-- One utterance. Lines of a source that lost (a live transcript once the report is in) stay, superseded.
CREATE TABLE public.voice_messages (
    id bigint GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY,
    call_id uuid NOT NULL REFERENCES public.voice_calls (id) ON DELETE CASCADE,
    message_key text COLLATE "C" NOT NULL,                -- its name within the call, for ever
    source text,
    role public.message_role,
    content text,
    sequence_number bigint,                   -- orders the messages of one source
    spoken_at timestamptz,
    ended_at timestamptz,
    tokens_used integer,
    model text,
    audio_url text,
    interrupted boolean,
    metadata jsonb,
    superseded boolean NOT NULL DEFAULT false,
    versions bigint[] NOT NULL DEFAULT '{}',
    created_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (call_id, message_key)
);

-- One stay of one participant; who comes back has a second row.
CREATE TABLE public.call_participants (
    id bigint GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY,
    call_id uuid NOT NULL REFERENCES public.voice_calls (id) ON DELETE CASCADE,
    participant_id text COLLATE "C" NOT NULL,             -- the provider's id of this stay
    user_id uuid REFERENCES public.users (id) ON DELETE SET NULL,
    participant_identity text,
    participant_name text,
    participant_type public.participant_type,
    kind text,
    joined_at timestamptz,
    left_at timestamptz,
    duration_seconds integer,
    connected boolean,
    left_reason text,
    phone_number text,
    attributes jsonb,
    versions bigint[] NOT NULL DEFAULT '{}',
    created_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (call_id, participant_id)
);
CREATE INDEX call_participants_user_id ON public.call_participants (user_id) WHERE user_id IS NOT NULL;

-- '+' and 7 to 15 digits, or NULL: a number without a country, and what is no number, link to nothing.
CREATE FUNCTION public.hookline_e164(phone text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT substring(regexp_replace(regexp_replace(phone, '^\s*(tel:)?(00)?\s*\+?', CASE WHEN phone ~ '^\s*(tel:)?(00|\+)' THEN '+' ELSE '?' END),
                                    '[-\s().]', '', 'g')
                     FROM '^\+[1-9][0-9]{6,14}$')
$$;

CREATE TABLE public.leads (
    id bigint GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY,
    name text,
    phone text,
    phone_e164 text COLLATE "C",                          -- kept by a trigger on phone
    email text,
    call_sid text COLLATE "C",                -- the most recent call; kept by hookline_follow_leads
    lead_status text NOT NULL DEFAULT 'new',
    last_contacted_at timestamptz,
    notes text,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX leads_phone_e164 ON public.leads (phone_e164) WHERE phone_e164 IS NOT NULL;
-- Partial, so that it is no key that others may refer to: a new call_sid then locks out no link to that lead.
CREATE UNIQUE INDEX leads_call_sid ON public.leads (call_sid) WHERE call_sid IS NOT NULL;

-- That a lead and a call belong together, and how that was learned.
CREATE TABLE public.lead_calls (
    lead_id bigint NOT NULL REFERENCES public.leads (id) ON DELETE CASCADE,
    call_id uuid NOT NULL REFERENCES public.voice_calls (id) ON DELETE CASCADE,
    learned_by text NOT NULL CHECK (learned_by IN ('number', 'call_sid', 'hand')),
    ambiguous boolean NOT NULL DEFAULT false, -- several leads have that number: none is chosen
    started_at timestamptz,                   -- copies of the call's, so that a lead's newest call is found by one index
    call_sid text COLLATE "C",
    linked_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (lead_id, call_id)
);
CREATE INDEX lead_calls_newest ON public.lead_calls (lead_id, (learned_by = 'hand') DESC, started_at DESC NULLS LAST, call_id DESC)
    WHERE call_sid IS NOT NULL;
CREATE INDEX lead_calls_call_id ON public.lead_calls (call_id);
CREATE UNIQUE INDEX lead_calls_one_by_hand ON public.lead_calls (call_id) WHERE learned_by = 'hand';

-- A call's payload is a kilobyte or ten: lz4 costs a tenth of pglz, where this PostgreSQL has it.
DO $$
BEGIN
    ALTER TABLE public.call_events ALTER COLUMN payload SET COMPRESSION lz4;
    ALTER TABLE public.call_events_default ALTER COLUMN payload SET COMPRESSION lz4;
EXCEPTION WHEN feature_not_supported THEN
    RAISE NOTICE 'this PostgreSQL has no lz4: payloads are compressed with pglz';
END
$$;
