-- What a resource's row tells of its last pass. Runs once, in one transaction.

ALTER TABLE public.reconcile_state ADD COLUMN overlap interval; -- how far that pass reached back before the watermark
COMMENT ON COLUMN public.reconcile_state.last_run_id IS 'of the row of resource *: the last run; of another: the last that planned it';
