-- The whole schema: what more is known of a call, and who else is in it.
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
