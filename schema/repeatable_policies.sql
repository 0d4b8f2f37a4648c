-- Who may see what: roles, row level security, privileges. Runs again whenever its text changes, in one transaction.
--
-- Two things let a user of the database in, and both must: a privilege of the role (hookline_secure() grants them all), and
-- a policy that shows the row (below). A policy asks who the user is (auth.uid()), never what the role is called, so that it
-- stands whether or not the roles are there yet.
--
-- hookline connects as the tables' owner, whom row level security leaves alone (never FORCE it here), or as a login role
-- that is IN ROLE hookline_writer, which may write rows and owns nothing. Neither pays for the policies below.

-- ---- roles, in the names that Supabase and PostgREST use ----

DO $$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['anon', 'authenticated', 'service_role', 'hookline_writer'] LOOP
        CONTINUE WHEN to_regrole(name) IS NOT NULL;
        BEGIN
            EXECUTE format('CREATE ROLE %I NOLOGIN', name);
        EXCEPTION
            WHEN duplicate_object OR unique_violation THEN
                NULL; -- roles belong to the whole cluster: another database's migration was faster
            WHEN insufficient_privilege THEN
                RAISE NOTICE 'role % is missing, and % may not create it: it gets no access', name, current_user
                    USING HINT = format('To give it some: CREATE ROLE %I NOLOGIN; SELECT public.hookline_secure();', name);
        END;
    END LOOP;
END
$$;

-- ---- auth.uid(): who asks. Supabase has it; elsewhere it reads what PostgREST sets, in its newer and its older form ----

DO $$
BEGIN
    IF to_regprocedure('auth.uid()') IS NULL THEN
        CREATE SCHEMA IF NOT EXISTS auth;
        GRANT USAGE ON SCHEMA auth TO PUBLIC;
        CREATE FUNCTION auth.uid() RETURNS uuid LANGUAGE sql STABLE PARALLEL SAFE AS $uid$
            SELECT coalesce(nullif(current_setting('request.jwt.claim.sub', true), ''),
                            nullif(current_setting('request.jwt.claims', true), '')::jsonb ->> 'sub')::uuid
        $uid$;
    END IF;
END
$$;

-- ---- what policies ask ----
--
-- SECURITY DEFINER: they read as the owner, so that the policies of two tables do not ask each other in a circle. Each tells
-- whoever asks about themselves only. Policies call them as (SELECT …), which is answered once a statement, not once a row.

CREATE OR REPLACE FUNCTION public.hookline_is_admin() RETURNS boolean
LANGUAGE sql STABLE PARALLEL SAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT EXISTS (SELECT FROM public.users u WHERE u.id = (SELECT auth.uid()) AND u.role = 'admin')
$$;

-- The calls that are theirs, and those they took part in.
CREATE OR REPLACE FUNCTION public.hookline_my_calls() RETURNS SETOF uuid
LANGUAGE sql STABLE PARALLEL SAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT c.id FROM public.voice_calls c WHERE c.user_id = (SELECT auth.uid())
    UNION
    SELECT p.call_id FROM public.call_participants p WHERE p.user_id = (SELECT auth.uid())
$$;

-- The least id of the rows that an admin sees, which is all of them; NULL for everybody else. A policy that says "mine, or
-- I am an admin" could use no index and would read the whole table for each user; "mine, or between these ids" can.
CREATE OR REPLACE FUNCTION public.hookline_all_from() RETURNS uuid
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT CASE WHEN public.hookline_is_admin() THEN '00000000-0000-0000-0000-000000000000'::uuid END
$$;

-- Whether no call has that session's name. A row that a user inserts waits for the call of its session and becomes it
-- (repeatable_sessions.sql): nobody may wait for a call that somebody else is having. The anonymous learn nothing by asking.
CREATE OR REPLACE FUNCTION public.hookline_is_new_session(session text) RETURNS boolean
LANGUAGE sql STABLE PARALLEL SAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT (SELECT auth.uid()) IS NOT NULL AND NOT EXISTS (SELECT FROM public.voice_calls c WHERE c.session_id = session)
$$;

-- ---- policies ----

DO $$
DECLARE
    old record;
BEGIN
    FOR old IN SELECT tablename, policyname FROM pg_policies
               WHERE schemaname = 'public' AND policyname LIKE 'hookline\_%' LOOP
        EXECUTE format('DROP POLICY %I ON public.%I', old.policyname, old.tablename);
    END LOOP;
END
$$;

-- Calls, and what belongs to them. (user_id is asked for itself too: a row that is being inserted is not yet among
-- hookline_my_calls(), and INSERT … RETURNING must see it.)
CREATE POLICY hookline_see ON public.voice_calls FOR SELECT
    USING (user_id = (SELECT auth.uid())
           OR id = ANY (ARRAY(SELECT public.hookline_my_calls()))
           OR id BETWEEN (SELECT public.hookline_all_from()) AND 'ffffffff-ffff-ffff-ffff-ffffffffffff');
CREATE POLICY hookline_begin_own ON public.voice_calls FOR INSERT
    WITH CHECK (user_id = (SELECT auth.uid()) AND created_at = now() AND public.hookline_is_new_session(session_id));
CREATE POLICY hookline_change_own ON public.voice_calls FOR UPDATE
    USING (user_id = (SELECT auth.uid()));

CREATE POLICY hookline_see ON public.voice_messages FOR SELECT
    USING (call_id = ANY (ARRAY(SELECT public.hookline_my_calls()))
           OR call_id BETWEEN (SELECT public.hookline_all_from()) AND 'ffffffff-ffff-ffff-ffff-ffffffffffff');
CREATE POLICY hookline_see ON public.call_participants FOR SELECT
    USING (call_id = ANY (ARRAY(SELECT public.hookline_my_calls()))
           OR call_id BETWEEN (SELECT public.hookline_all_from()) AND 'ffffffff-ffff-ffff-ffff-ffffffffffff');

CREATE POLICY hookline_see ON public.users FOR SELECT
    USING (id = (SELECT auth.uid())
           OR id BETWEEN (SELECT public.hookline_all_from()) AND 'ffffffff-ffff-ffff-ffff-ffffffffffff');
CREATE POLICY hookline_change_self ON public.users FOR UPDATE
    USING (id = (SELECT auth.uid()));

-- Admins write these, and have the rest to themselves; how much of it they may write, hookline_secure() says.
DO $$
DECLARE
    is_admin constant text := '(SELECT public.hookline_is_admin())';
    name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['voice_calls', 'voice_messages', 'call_participants', 'users'] LOOP
        EXECUTE format('CREATE POLICY hookline_admin_insert ON public.%I FOR INSERT WITH CHECK (%s)', name, is_admin);
        EXECUTE format('CREATE POLICY hookline_admin_update ON public.%I FOR UPDATE USING (%s)', name, is_admin);
        EXECUTE format('CREATE POLICY hookline_admin_delete ON public.%I FOR DELETE USING (%s)', name, is_admin);
    END LOOP;
    FOREACH name IN ARRAY ARRAY['leads', 'lead_calls', 'businesses', 'business_agents', 'agent_aliases', 'customers', 'agents', 'phone_numbers',
                                'outbound_calls', 'call_events', 'reconcile_state', 'reconcile_runs', 'reconcile_changes',
                                'reconcile_windows', 'reconcile_steps', 'reconcile_marks', 'storage_samples'] LOOP
        EXECUTE format('CREATE POLICY hookline_admin ON public.%I USING (%s)', name, is_admin);
    END LOOP;
END
$$;

-- ---- columns ----
--
-- Which columns a user may write. Not by privileges, which admins, of the same role, share; and what is added to a table
-- later is kept from users until it is named here. "as_user": it comes before "by_hand", which writes other columns.

CREATE OR REPLACE FUNCTION public.hookline_keep_columns() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    empty constant jsonb := '{"versions": []}'; -- a new row, without what users may write and what is NULL
    before jsonb := CASE WHEN TG_OP = 'INSERT' THEN empty ELSE jsonb_strip_nulls(to_jsonb(OLD) - TG_ARGV) END;
BEGIN
    IF jsonb_strip_nulls(to_jsonb(NEW) - TG_ARGV) <> before AND NOT public.hookline_is_admin() THEN
        RAISE insufficient_privilege
            USING MESSAGE = format('of %I, a user may write only: %s', TG_TABLE_NAME, array_to_string(TG_ARGV, ', '));
    END IF;
    RETURN NEW;
END
$$;

CREATE OR REPLACE TRIGGER voice_calls_as_user_new BEFORE INSERT ON public.voice_calls
    FOR EACH ROW WHEN (auth.uid() IS NOT NULL AND row_security_active('public.voice_calls'))
    EXECUTE FUNCTION public.hookline_keep_columns(
        'id', 'provider', 'user_id', 'session_id', 'room_name', 'status', 'direction', 'started_at', 'metadata', 'created_at',
        'updated_at');
CREATE OR REPLACE FUNCTION public.hookline_begun_by_user() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    NEW.begun_by_user := NOT public.hookline_is_admin();
    RETURN NEW;
END
$$;

CREATE OR REPLACE TRIGGER voice_calls_begun_by_user BEFORE INSERT ON public.voice_calls -- by its name, after the one above
    FOR EACH ROW WHEN (auth.uid() IS NOT NULL AND row_security_active('public.voice_calls'))
    EXECUTE FUNCTION public.hookline_begun_by_user();
CREATE OR REPLACE TRIGGER voice_calls_as_user BEFORE UPDATE ON public.voice_calls
    FOR EACH ROW WHEN (auth.uid() IS NOT NULL AND row_security_active('public.voice_calls'))
    EXECUTE FUNCTION public.hookline_keep_columns('room_name', 'status', 'connected_at', 'ended_at', 'metadata', 'updated_at');
CREATE OR REPLACE TRIGGER users_as_user BEFORE UPDATE ON public.users
    FOR EACH ROW WHEN (auth.uid() IS NOT NULL AND row_security_active('public.users'))
    EXECUTE FUNCTION public.hookline_keep_columns('name', 'updated_at');

-- ---- privileges ----

-- Those of these roles that exist, as GRANT wants them; NULL: none.
CREATE OR REPLACE FUNCTION public.hookline_roles(VARIADIC names text[]) RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT string_agg(quote_ident(rolname), ', ' ORDER BY rolname) FROM pg_roles WHERE rolname = ANY (names)
$$;

-- Closes a table or view to everybody but its owner: to what an older Supabase gives its roles by default too, TRUNCATE
-- included, which no policy stops. A partition needs it for itself: its parent's policies guard the way through the parent.
CREATE OR REPLACE FUNCTION public.hookline_close(relation regclass) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    everybody constant text := concat_ws(', ', 'PUBLIC', public.hookline_roles('anon', 'authenticated', 'service_role',
                                                                               'hookline_writer'));
    its_sequence regclass;
BEGIN
    EXECUTE format('REVOKE ALL ON %s FROM %s', relation, everybody);
    FOR its_sequence IN SELECT d.objid FROM pg_depend d JOIN pg_class s ON s.oid = d.objid
                        WHERE d.classid = 'pg_class'::regclass AND d.refobjid = relation AND s.relkind = 'S' LOOP
        EXECUTE format('REVOKE ALL ON SEQUENCE %s FROM %s', its_sequence, everybody);
    END LOOP;
    IF (SELECT relkind FROM pg_class WHERE oid = relation) <> 'v' THEN
        EXECUTE format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY', relation);
    ELSIF current_setting('server_version_num')::integer >= 150000 THEN
        EXECUTE format('ALTER VIEW %s SET (security_invoker = true)', relation);
    END IF;
END
$$;

-- All that anybody but the owner may do. To be run again when a role that was missing has been made, and whenever views
-- have been made anew: a view without it shows everything to everybody whom an older Supabase lets in.
CREATE OR REPLACE FUNCTION public.hookline_secure() RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    every constant text := 'SELECT, INSERT, UPDATE, DELETE';
    look constant text := 'SELECT';
    look_put constant text := 'SELECT, INSERT';
    shut constant text := NULL;
    -- Before PostgreSQL 15 a view looks with the eyes of its owner, who sees everything: not for users.
    peek constant text := CASE WHEN current_setting('server_version_num')::integer >= 150000 THEN look END;
    peek_put constant text := CASE WHEN peek IS NOT NULL THEN look_put END;
    trusted constant text := public.hookline_roles('service_role', 'hookline_writer');
    ours record;
    given record;
BEGIN
    LOCK TABLE public.call_events, public.event_keys IN ACCESS EXCLUSIVE MODE; -- a batch's first, in its order
    FOR ours IN
        SELECT c.oid::regclass AS relation, c.relkind, t.users, t.service, t.writer
        FROM (VALUES
            -- name                      authenticated service_role hookline_writer
            ('voice_calls',              every,        every,       every),
            ('voice_messages',           every,        every,       every),
            ('call_participants',        every,        every,       every),
            ('users',                    every,        every,       look),
            ('leads',                    every,        every,       every),
            ('lead_calls',               every,        every,       every),
            ('businesses',               every,        every,       every),
            ('business_agents',          every,        every,       every),
            ('agent_aliases',            every,        every,       every),
            ('customers',                every,        every,       every),
            ('agents',                   every,        every,       every),
            ('phone_numbers',            every,        every,       every),
            ('outbound_calls',           every,        every,       every),
            ('call_events',              look,         every,       every),
            ('reconcile_state',          look,         every,       every),
            ('reconcile_runs',           look,         every,       every),
            ('reconcile_changes',        look,         every,       every),
            ('reconcile_windows',        look,         every,       every),
            ('reconcile_steps',          look,         every,       every),
            ('reconcile_marks',          look,         every,       every),
            ('storage_samples',          look,         every,       every),
            ('event_keys',               shut,         shut,        every),
            ('hookline_migrations',      shut,         shut,        look),
            ('conversation_transcripts', peek_put,     look_put,    look),
            ('beyond_calls',             peek_put,     look_put,    look),
            ('beyond_call_messages',     peek_put,     look_put,    look),
            ('active_calls_summary',     peek,         look,        look),
            ('call_analytics',           peek,         look,        look),
            ('alert_failure_rate',       peek,         look,        look),
            ('alert_long_calls',         peek,         look,        look),
            ('alert_token_spike',        peek,         look,        look),
            ('alert_storage_growth',     peek,         look,        look)
        ) AS t (name, users, service, writer)
        JOIN pg_class c ON c.oid = to_regclass('public.' || t.name)
    LOOP
        PERFORM public.hookline_close(ours.relation);
        FOR given IN SELECT role, privileges FROM (VALUES ('authenticated', ours.users), ('service_role', ours.service),
                                                          ('hookline_writer', ours.writer)) AS g (role, privileges)
                     WHERE privileges IS NOT NULL AND to_regrole(role) IS NOT NULL LOOP
            EXECUTE format('GRANT %s ON %s TO %I', given.privileges, ours.relation, given.role);
        END LOOP;
        CONTINUE WHEN ours.relkind = 'v' OR trusted IS NULL;
        EXECUTE format('DROP POLICY IF EXISTS hookline_trusted ON %s', ours.relation);
        EXECUTE format('CREATE POLICY hookline_trusted ON %s TO %s USING (true)', ours.relation, trusted);
    END LOOP;
    PERFORM public.hookline_close(inhrelid) FROM pg_inherits WHERE inhparent = 'public.call_events'::regclass;

    EXECUTE format('REVOKE ALL ON FUNCTION public.hookline_make_partitions(integer) FROM %s',
                   concat_ws(', ', 'PUBLIC', public.hookline_roles('anon', 'authenticated')));
    IF trusted IS NOT NULL THEN
        EXECUTE format('GRANT USAGE ON SEQUENCE public.call_events_id_seq TO %s', trusted);
        EXECUTE format('GRANT EXECUTE ON FUNCTION public.hookline_make_partitions(integer) TO %s', trusted);
    END IF;
END
$$;

SELECT public.hookline_secure();
