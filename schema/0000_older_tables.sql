-- What older systems left under the names that hookline uses is moved, as it is, into the schema hookline_older: tables
-- with their rows, indexes, triggers and policies, views, types and sequences. 0004_older_rows.sql then copies every row
-- into hookline's own tables; the old ones stay where they are until somebody drops them.
--
-- Nothing happens on an empty database; and what an earlier hookline has made is left alone.
--
-- Runs once, in one transaction. Never edited after release.

DO $$
DECLARE
    -- What each migration makes. Before it has run, whatever has that name is somebody else's.
    names CONSTANT jsonb := '{
        "0001_spine.sql": ["event_keys", "call_events", "call_events_id_seq", "call_events_default", "users", "voice_calls",
                           "voice_messages", "call_participants", "leads", "lead_calls",
                           "conversation_transcripts", "active_calls_summary",
                           "call_events_call_sid", "call_events_dead", "voice_calls_call_sid", "voice_calls_session_id",
                           "voice_calls_customer_number", "voice_calls_created_at", "voice_calls_user_id",
                           "call_participants_user_id", "leads_phone_e164", "leads_call_sid", "lead_calls_newest",
                           "lead_calls_call_id", "lead_calls_one_by_hand"],
        "0002_whole.sql": ["businesses", "business_agents", "customers", "agents", "phone_numbers", "outbound_calls",
                           "reconcile_state", "reconcile_runs", "reconcile_changes", "storage_samples",
                           "beyond_calls", "beyond_call_messages", "call_analytics", "alert_failure_rate",
                           "alert_long_calls", "alert_token_spike", "alert_storage_growth",
                           "voice_calls_active", "call_participants_unknown_user", "agents_vapi_assistant_id",
                           "phone_numbers_number", "phone_numbers_vapi_phone_id", "outbound_calls_queue",
                           "reconcile_runs_newest", "reconcile_changes_run"]}';
    types CONSTANT jsonb := '{"0001_spine.sql": ["call_status", "message_role", "participant_type"]}';
    in_the_way record;
    sequence record;
    follower record;
BEGIN
    FOR in_the_way IN
        WITH claimed AS (
            SELECT name
            FROM jsonb_each(names) AS m (file, list), jsonb_array_elements_text(m.list) AS name
            WHERE m.file NOT IN (SELECT file FROM public.hookline_migrations)
        ), found AS (
            SELECT c.oid FROM pg_catalog.pg_class c JOIN claimed ON claimed.name = c.relname
            WHERE c.relnamespace = 'public'::regnamespace AND c.relkind <> 'c'
        )
        SELECT c.oid, c.relname AS name,
               CASE c.relkind WHEN 'v' THEN 'VIEW' WHEN 'm' THEN 'MATERIALIZED VIEW' WHEN 'S' THEN 'SEQUENCE'
                              WHEN 'f' THEN 'FOREIGN TABLE' WHEN 'i' THEN 'INDEX' WHEN 'I' THEN 'INDEX' ELSE 'TABLE' END AS kind
        FROM pg_catalog.pg_class c
        WHERE c.relnamespace = 'public'::regnamespace
          AND (c.oid IN (SELECT oid FROM found)
               OR c.oid IN (SELECT p.relid FROM found CROSS JOIN LATERAL pg_catalog.pg_partition_tree(found.oid) p))
        -- A moved table takes its indexes and its sequences along, so they are looked at last.
        ORDER BY c.relkind IN ('S', 'i', 'I'), c.relname
    LOOP
        CONTINUE WHEN (SELECT relnamespace FROM pg_catalog.pg_class WHERE oid = in_the_way.oid) <> 'public'::regnamespace;
        IF in_the_way.kind = 'INDEX' THEN
            RAISE EXCEPTION 'an index public.% is in the way, on a table that hookline has no use for', in_the_way.name
                USING HINT = format('rename it: ALTER INDEX public.%I RENAME TO …; then run hookline migrate again', in_the_way.name);
        END IF;
        BEGIN
            CREATE SCHEMA IF NOT EXISTS hookline_older;
            EXECUTE format('ALTER %s public.%I SET SCHEMA hookline_older', in_the_way.kind, in_the_way.name);
        EXCEPTION WHEN insufficient_privilege OR feature_not_supported OR duplicate_table OR dependent_objects_still_exist THEN
            RAISE EXCEPTION 'the older % public.% is in the way and cannot be moved to the schema hookline_older: %',
                            lower(in_the_way.kind), in_the_way.name, SQLERRM
                USING HINT = 'run hookline migrate as a role that owns it and may create schemas, or rename it yourself';
        END;
    END LOOP;

    FOR in_the_way IN
        SELECT t.typname AS name
        FROM jsonb_each(types) AS m (file, list), jsonb_array_elements_text(m.list) AS claimed, pg_catalog.pg_type t
        WHERE m.file NOT IN (SELECT file FROM public.hookline_migrations)
          AND t.typname = claimed AND t.typnamespace = 'public'::regnamespace
    LOOP
        CREATE SCHEMA IF NOT EXISTS hookline_older;
        EXECUTE format('ALTER TYPE public.%I SET SCHEMA hookline_older', in_the_way.name);
    END LOOP;

    -- A sequence that only moved tables' defaults use, and that none of them owns, goes with them: its name is ours.
    FOR sequence IN
        SELECT s.oid::regclass AS name
        FROM pg_catalog.pg_depend d
        JOIN pg_catalog.pg_class s ON s.oid = d.refobjid AND s.relkind = 'S' AND s.relnamespace = 'public'::regnamespace
        JOIN pg_catalog.pg_attrdef v ON v.oid = d.objid
        JOIN pg_catalog.pg_class c ON c.oid = v.adrelid
        WHERE d.classid = 'pg_attrdef'::regclass AND d.refclassid = 'pg_class'::regclass
        GROUP BY s.oid
        HAVING bool_and(c.relnamespace = to_regnamespace('hookline_older'))
           AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend o
                           WHERE o.classid = 'pg_class'::regclass AND o.objid = s.oid AND o.deptype IN ('a', 'i'))
    LOOP
        EXECUTE format('ALTER SEQUENCE %s SET SCHEMA hookline_older', sequence.name);
    END LOOP;

    -- What else looks at a moved table goes on looking at it: the operator must know.
    FOR follower IN
        SELECT format('the foreign key %I of %s', k.conname, k.conrelid::regclass) AS what, k.confrelid::regclass AS older
        FROM pg_catalog.pg_constraint k
        JOIN pg_catalog.pg_class c ON c.oid = k.confrelid AND c.relnamespace = to_regnamespace('hookline_older')
        JOIN pg_catalog.pg_class o ON o.oid = k.conrelid AND o.relnamespace <> to_regnamespace('hookline_older')
        WHERE k.contype = 'f'
        UNION
        SELECT format('the view %s', v.oid::regclass), c.oid::regclass
        FROM pg_catalog.pg_depend d
        JOIN pg_catalog.pg_rewrite r ON r.oid = d.objid AND d.classid = 'pg_rewrite'::regclass
        JOIN pg_catalog.pg_class v ON v.oid = r.ev_class AND v.relnamespace <> to_regnamespace('hookline_older')
        JOIN pg_catalog.pg_class c ON c.oid = d.refobjid AND c.relnamespace = to_regnamespace('hookline_older')
        WHERE d.refclassid = 'pg_class'::regclass
        ORDER BY 1
    LOOP
        RAISE WARNING '% follows the older table, which is now %', follower.what, follower.older
            USING HINT = 'it does not see what hookline stores: point it to the table of that name in the schema public';
    END LOOP;
END
$$;
