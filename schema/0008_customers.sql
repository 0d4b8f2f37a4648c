-- Whose customer a call was of. Runs once, in one transaction. Never edited after release: see repeatable_customers.sql for
-- what is done with it.

ALTER TABLE public.voice_calls
    ADD COLUMN IF NOT EXISTS business_name text, -- ours; extracted_fields stays as the provider gave it
    ADD COLUMN customer_mark uuid,               -- hash of what this call last told of its customer
    ADD COLUMN customer_at timestamptz,          -- when that was, by the transaction
    ADD COLUMN customer_made_at timestamptz;     -- the same, where a customer's row was made for this call
ALTER TABLE public.customers
    ADD COLUMN IF NOT EXISTS business_name text; -- ours; beside extracted_fields, not in it

-- Two notations of one agent's id, or more: all that have one value of same_as in common. Only grows, in any order.
CREATE TABLE public.agent_aliases (
    provider text COLLATE "C" NOT NULL,
    agent_id text COLLATE "C" NOT NULL,
    same_as text COLLATE "C" NOT NULL,
    added_at timestamptz DEFAULT now(),
    PRIMARY KEY (agent_id, provider, same_as)
);
CREATE INDEX agent_aliases_same_as ON public.agent_aliases (same_as, provider);

-- NULL: it was there before anybody looked (see hookline_sweep_customers).
ALTER TABLE public.business_agents ADD COLUMN added_at timestamptz;
ALTER TABLE public.business_agents ALTER COLUMN added_at SET DEFAULT now();

CREATE INDEX voice_calls_business_id ON public.voice_calls (business_id) WHERE business_id IS NOT NULL;
-- For the business that appears after its agent's calls.
CREATE INDEX voice_calls_of_no_business ON public.voice_calls (agent_id COLLATE "C") WHERE business_id IS NULL AND agent_id IS NOT NULL;
