-- What reconcile runs leave behind is kept for a time (see repeatable_reconcile.sql). Runs once, in one transaction.

ALTER TABLE public.reconcile_state DROP COLUMN cursor; -- never written: reconcile_steps say where a pass goes on

CREATE INDEX reconcile_runs_finished ON public.reconcile_runs (finished_at) WHERE finished_at IS NOT NULL;
CREATE INDEX reconcile_marks_seen ON public.reconcile_marks (seen_at);
COMMENT ON COLUMN public.reconcile_marks.seen_at IS 'when the provider last listed the object by that mark, to the day';

-- Whether any agent of a provider is a business's.
CREATE INDEX business_agents_provider ON public.business_agents (provider);
