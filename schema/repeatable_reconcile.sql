-- What reconcile runs leave behind, and how long. Runs again whenever its text changes, in one transaction.
--
-- A run is kept for as long as its changes are. What waits or is under way stays, and so does the last of each provider that
-- has ended: what GET /api/sync/status tells of. A mark is of use for as long as the provider lists its object: a run notes,
-- once a day, that it did. If one is gone too early, the object is fetched once more, and nothing else. reconcile_windows
-- grow together, and stay.

-- One lot, of at most so many rows of each kind. What another instance has under its hands is passed over: it removes it.
-- Returns how many rows are gone; 0: nothing is left to do.
CREATE OR REPLACE FUNCTION public.hookline_forget_reconcile(keep interval, most integer DEFAULT 500) RETURNS bigint
LANGUAGE plpgsql AS $$
DECLARE
    runs bigint[];
    gone bigint;
    more bigint;
BEGIN
    SELECT array_agg(o.id) INTO runs
    FROM (SELECT r.id FROM public.reconcile_runs r
          WHERE r.finished_at < now() - keep AND r.status NOT IN ('queued', 'running')
            AND r.id IS DISTINCT FROM (SELECT l.id FROM public.reconcile_runs l
                                       WHERE l.provider = r.provider AND l.started_at IS NOT NULL AND l.finished_at IS NOT NULL
                                       ORDER BY l.started_at DESC LIMIT 1)
          ORDER BY r.finished_at LIMIT most FOR UPDATE SKIP LOCKED) o;

    -- The changes first, and a run once it has none: a run may have very many.
    DELETE FROM public.reconcile_changes c
    WHERE c.id IN (SELECT d.id FROM public.reconcile_changes d WHERE d.run_id = ANY (runs) ORDER BY d.run_id, d.id LIMIT most);
    GET DIAGNOSTICS gone = ROW_COUNT;
    DELETE FROM public.reconcile_runs r
    WHERE r.id = ANY (runs) AND NOT EXISTS (SELECT FROM public.reconcile_changes c WHERE c.run_id = r.id);
    GET DIAGNOSTICS more = ROW_COUNT;
    gone := gone + more;

    -- Not sooner than after a month: who runs it by hand, now and then, lists the same objects again.
    WITH old AS MATERIALIZED (
        SELECT o.provider, o.what, o.object_id FROM public.reconcile_marks o
        WHERE o.seen_at < now() - greatest(keep, interval '30 days')
        ORDER BY o.seen_at LIMIT most FOR UPDATE SKIP LOCKED
    )
    DELETE FROM public.reconcile_marks m USING old
    WHERE m.provider = old.provider AND m.what = old.what AND m.object_id = old.object_id;
    GET DIAGNOSTICS more = ROW_COUNT;
    RETURN gone + more;
END
$$;
