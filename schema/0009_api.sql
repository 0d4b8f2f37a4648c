-- Runs that are asked for by the API: a row waits until an instance takes it up. Runs once, in one transaction.

ALTER TABLE public.reconcile_runs
    DROP CONSTRAINT reconcile_runs_status_check,
    ADD CONSTRAINT reconcile_runs_status_check CHECK (status IN ('queued', 'running', 'done', 'failed', 'canceled')),
    ALTER COLUMN started_at DROP NOT NULL,       -- of one that is queued: not yet
    ADD COLUMN asked_at timestamptz NOT NULL DEFAULT now(),
    ADD COLUMN cancel_asked_at timestamptz,      -- looked at between steps: the run ends with what it has done
    ADD COLUMN cancel_asked_by text,
    ADD COLUMN steps_done bigint NOT NULL DEFAULT 0,
    ADD COLUMN steps_left bigint,                -- that are known of now; NULL: not planned yet
    ADD COLUMN progressed_at timestamptz;        -- when the run last wrote of itself
UPDATE public.reconcile_runs SET asked_at = started_at;

CREATE INDEX reconcile_runs_waiting ON public.reconcile_runs (provider, id) WHERE status IN ('queued', 'running');
