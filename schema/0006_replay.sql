-- What a replay of a stored delivery needs to know of it. Runs once, in one transaction.
--
-- Rows of before have NULL in both: their route is then guessed (see understand_stored in src/ingest/understand.h).

ALTER TABLE public.call_events
    ADD COLUMN route text,                    -- by which it came, e.g. "voice": the same body may mean another thing there
    ADD COLUMN hookline_version text;         -- that wrote the row; of a dead letter, the last one that could not read it
