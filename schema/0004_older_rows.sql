-- What 0000_older_tables.sql moved to the schema hookline_older is copied, row by row, into hookline's own tables. The old
-- tables stay; hookline_older.summary says what became of each.
--
-- Older tables differ: a row is read as JSON, so that a column that is missing is NULL, and one that is named a little
-- differently is found. What does not fit (an id that is no UUID, a status that is no status, columns that hookline has no
-- use for) is kept in metadata under "older". Tables that applications write themselves (users, leads, businesses,
-- customers, agents, phone_numbers) keep their own columns beside hookline's.
--
-- A value that was imported is the weakest evidence (rank 1 of src/event/fact.h): a delivery about an older call finds its
-- row, and completes and corrects it.
--
-- Runs once, in one transaction. Never edited after release.

CREATE SCHEMA IF NOT EXISTS hookline_older;
SET LOCAL hookline.writes = 'on'; -- an earlier hookline's triggers for the writes of others stay quiet
SET LOCAL jit = off; -- which would spend seconds on compiling statements that run once

-- ---- reading what may be anything ----

CREATE FUNCTION hookline_older.as_uuid(value text) RETURNS uuid LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE WHEN value ~ '^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$' THEN value::uuid END
$$;
CREATE FUNCTION hookline_older.as_bigint(value text) RETURNS bigint LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE WHEN value ~ '^-?[0-9]{1,18}([.]0+)?$' THEN value::numeric::bigint END
$$;
CREATE FUNCTION hookline_older.as_integer(value text) RETURNS integer LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE WHEN hookline_older.as_bigint(value) BETWEEN -2147483648 AND 2147483647 THEN hookline_older.as_bigint(value)::integer END
$$;
CREATE FUNCTION hookline_older.as_numeric(value text) RETURNS numeric LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE WHEN value ~ '^-?[0-9]{1,30}([.][0-9]{1,30})?(e[-+][0-9]{1,2})?$' THEN value::numeric END
$$;
CREATE FUNCTION hookline_older.as_boolean(value text) RETURNS boolean LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE WHEN lower(value) IN ('true', 't', 'yes') THEN true WHEN lower(value) IN ('false', 'f', 'no') THEN false END
$$;
CREATE FUNCTION hookline_older.as_time(value text) RETURNS timestamptz LANGUAGE plpgsql STABLE AS $$
BEGIN
    IF value ~ '^[0-9]{4}-[0-9]{2}-[0-9]{2}' THEN
        RETURN value::timestamptz;
    END IF;
    RETURN NULL;
EXCEPTION WHEN datetime_field_overflow OR invalid_datetime_format OR invalid_parameter_value THEN
    RETURN NULL;
END
$$;
CREATE FUNCTION hookline_older.as_object(value jsonb) RETURNS jsonb LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE jsonb_typeof(value) WHEN 'object' THEN value END
$$;
CREATE FUNCTION hookline_older.as_text(value text) RETURNS text LANGUAGE sql IMMUTABLE AS $$
    SELECT value
$$;
CREATE FUNCTION hookline_older.as_json(value text) RETURNS jsonb LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
    RETURN CASE WHEN value ~ '^[[{]' THEN value::jsonb END;
EXCEPTION WHEN invalid_text_representation THEN
    RETURN NULL;
END
$$;
CREATE FUNCTION hookline_older.as_role(value text) RETURNS public.message_role LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE WHEN lower(value) IN ('user', 'caller', 'customer', 'human', 'lead') THEN 'user'
                WHEN lower(value) IN ('assistant', 'ai', 'agent', 'bot') THEN 'assistant'
                WHEN lower(value) = 'system' THEN 'system' END::public.message_role
$$;

-- The rows of an older table, if there is one: where each is, what is in it, its id (NULL where an earlier row has it).
CREATE FUNCTION hookline_older.rows_of(name text) RETURNS TABLE (place text, j jsonb, older_id text) LANGUAGE plpgsql STABLE AS $$
BEGIN
    IF (SELECT relkind FROM pg_catalog.pg_class WHERE oid = to_regclass('hookline_older.' || quote_ident(name))) IN ('r', 'p') THEN
        RETURN QUERY EXECUTE format(
            $q$ SELECT r.place, r.j, CASE WHEN row_number() OVER (PARTITION BY r.j ->> 'id' ORDER BY r.place) = 1 THEN r.j ->> 'id' END
                FROM (SELECT o.tableoid || ' ' || o.ctid AS place, to_jsonb(o) AS j FROM hookline_older.%I o) r $q$, name);
    END IF;
END
$$;

-- What of a row did not fit: whatever is not in fit (key → the value that was taken of it, NULL for none).
CREATE FUNCTION hookline_older.rest(j jsonb, fit jsonb) RETURNS jsonb LANGUAGE sql IMMUTABLE AS $$
    SELECT jsonb_object_agg(e.key, e.value) FROM jsonb_each(j) e WHERE e.value <> 'null' AND coalesce(fit -> e.key, 'null') = 'null'
$$;
-- The row's own metadata, with the rest.
CREATE FUNCTION hookline_older.with_rest(j jsonb, fit jsonb) RETURNS jsonb LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE WHEN r.rest IS NULL THEN hookline_older.as_object(j -> 'metadata')
                ELSE coalesce(hookline_older.as_object(j -> 'metadata'), '{}') || jsonb_build_object('older', r.rest) END
    FROM (SELECT hookline_older.rest(j, fit || jsonb_build_object('metadata', hookline_older.as_object(j -> 'metadata'))) AS rest) r
$$;

-- What did not fit, and yet has a column of ours under its own name and of a type that it can have, goes there. Not where a
-- constraint asks for more than a type (each statement below sees to these itself), nor what hookline decides on.
CREATE FUNCTION hookline_older.take_same_names(our_table text) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    ours CONSTANT regclass := 'public.' || quote_ident(our_table);
    decided CONSTANT text[] := ARRAY['metadata', 'outcome', 'direction', 'customer_number', 'transcript_source', 'source', 'superseded',
                                     'model', 'model_used', 'phone_e164'];
    kept text[];
    own record;
BEGIN
    EXECUTE format('SELECT array_agg(DISTINCT k) FROM %s t, jsonb_object_keys(t.metadata -> ''older'') k
                    WHERE jsonb_typeof(t.metadata -> ''older'') = ''object''', ours) INTO kept;
    FOR own IN
        SELECT a.attname AS name, reader.function
        FROM pg_catalog.pg_attribute a
        JOIN (VALUES ('text', 'as_text'), ('timestamp with time zone', 'as_time'), ('integer', 'as_integer'), ('bigint', 'as_bigint'),
                     ('numeric', 'as_numeric'), ('boolean', 'as_boolean'), ('jsonb', 'as_json')) AS reader (type, function)
          ON reader.type = a.atttypid::regtype::text
        WHERE a.attrelid = ours AND a.attname = ANY (kept) AND a.attname <> ALL (decided) AND a.attgenerated = ''
          AND NOT EXISTS (SELECT FROM hookline_older.carried c WHERE c.name = our_table AND c.column_name = a.attname)
          AND NOT EXISTS (SELECT FROM pg_catalog.pg_constraint k WHERE k.conrelid = ours AND a.attnum = ANY (k.conkey) AND k.contype <> 'n')
          AND NOT EXISTS (SELECT FROM pg_catalog.pg_index i WHERE i.indrelid = ours AND i.indisunique AND a.attnum = ANY (i.indkey))
    LOOP
        EXECUTE format('UPDATE %1$s t SET %2$I = v.value,
                            metadata = nullif(CASE v.rest WHEN ''{}'' THEN t.metadata - ''older'' ELSE t.metadata || jsonb_build_object(''older'', v.rest) END, ''{}'')
                        FROM (SELECT m.new_id, hookline_older.%3$I(o.metadata #>> ARRAY[''older'', %4$L]) AS value,
                                     (o.metadata -> ''older'') - %4$L AS rest
                              FROM hookline_older.moved m JOIN %1$s o ON o.id::text = m.new_id
                              WHERE m.new_table = %5$L AND jsonb_typeof(o.metadata -> ''older'') = ''object'') v
                        WHERE t.id::text = v.new_id AND v.value IS NOT NULL', ours, own.name, own.function, own.name, our_table);
    END LOOP;
END
$$;

-- The weakest evidence for each column that has a value. own: where that is not what is meant.
CREATE FUNCTION hookline_older.versions(columns text[], row_values jsonb, own jsonb DEFAULT '{}') RETURNS bigint[] LANGUAGE sql IMMUTABLE AS $$
    SELECT array_agg(CASE WHEN row_values ->> c.name IS NULL THEN 0 ELSE coalesce((own ->> c.name)::bigint, 1::bigint << 57) END
                     ORDER BY c.place)
    FROM unnest(columns) WITH ORDINALITY AS c (name, place)
$$;

-- What became of each row.
CREATE TABLE hookline_older.moved (
    older_table text NOT NULL,
    place text NOT NULL,                       -- where in the older table: its tableoid and ctid
    older_id text,
    new_table text NOT NULL,
    new_id text NOT NULL
);

-- ---- columns that an application has of its own ----

-- Gives our table the columns that only the older one has.
CREATE FUNCTION hookline_older.carry_columns(name text) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    own record;
BEGIN
    FOR own IN
        SELECT a.attname,
               CASE WHEN t.typnamespace = 'hookline_older'::regnamespace THEN 'text' ELSE format_type(a.atttypid, a.atttypmod) END AS type
        FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_type t ON t.oid = a.atttypid
        WHERE a.attrelid = to_regclass('hookline_older.' || quote_ident(name)) AND a.attnum > 0 AND NOT a.attisdropped
          AND NOT EXISTS (SELECT FROM pg_catalog.pg_attribute o
                          WHERE o.attrelid = to_regclass('public.' || quote_ident(name)) AND o.attname = a.attname AND o.attnum > 0)
        ORDER BY a.attnum
    LOOP
        EXECUTE format('ALTER TABLE public.%I ADD COLUMN %I %s', name, own.attname, own.type);
    END LOOP;
END
$$;

-- Their names; and, once the rows are there, their values.
CREATE TABLE hookline_older.carried AS
    SELECT name, a.attname::text AS column_name
    FROM unnest(ARRAY['users', 'leads', 'businesses', 'customers', 'agents', 'phone_numbers']) AS name
    JOIN pg_catalog.pg_attribute a ON a.attrelid = to_regclass('hookline_older.' || name) AND a.attnum > 0 AND NOT a.attisdropped
    WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_attribute o
                      WHERE o.attrelid = to_regclass('public.' || name) AND o.attname = a.attname AND o.attnum > 0);
SELECT hookline_older.carry_columns(name) FROM (SELECT DISTINCT name FROM hookline_older.carried) c;

CREATE FUNCTION hookline_older.carried_of(j jsonb, of_table text) RETURNS jsonb LANGUAGE sql STABLE AS $$
    SELECT coalesce(jsonb_object_agg(c.column_name, true), '{}') FROM hookline_older.carried c WHERE c.name = of_table
$$;

CREATE FUNCTION hookline_older.carry_values(of_table text, columns text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('UPDATE public.%1$I t SET (%2$s) = ROW(%3$s)
                    FROM hookline_older.moved m JOIN hookline_older.%1$I o ON o.tableoid || '' '' || o.ctid = m.place
                    WHERE m.older_table = %1$L AND t.id::text = m.new_id',
                   of_table, columns, regexp_replace(columns, '("[^"]*"|\w+)', 'o.\1', 'g'));
END
$$;

-- And what such a column asks for: its default, and that it is never NULL. Once the values are there.
CREATE FUNCTION hookline_older.carry_rules(of_table text) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    own record;
    lost record;
BEGIN
    FOR own IN
        SELECT a.attname::text AS name, a.attnotnull AS never_null, a.attidentity <> '' OR a.attgenerated <> '' AS is_computed, d.oid AS its_default
        FROM hookline_older.carried c
        JOIN pg_catalog.pg_attribute a ON a.attrelid = to_regclass('hookline_older.' || quote_ident(of_table)) AND a.attname = c.column_name
        LEFT JOIN pg_catalog.pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
        WHERE c.name = of_table
        ORDER BY a.attnum
    LOOP
        BEGIN
            IF own.is_computed THEN
                RAISE feature_not_supported USING MESSAGE = 'it was an identity, or generated';
            ELSIF own.its_default IS NOT NULL THEN
                PERFORM hookline_older.carry_default(of_table, own.name, own.its_default);
            END IF;
        EXCEPTION WHEN OTHERS THEN
            RAISE WARNING 'public.%.% has no default: %', of_table, own.name, SQLERRM;
        END;
        CONTINUE WHEN NOT own.never_null;
        BEGIN
            -- rows that hookline has added
            EXECUTE format('UPDATE public.%I SET %2$I = DEFAULT WHERE %2$I IS NULL', of_table, own.name);
            EXECUTE format('ALTER TABLE public.%I ALTER COLUMN %I SET NOT NULL', of_table, own.name);
        EXCEPTION WHEN not_null_violation THEN
            RAISE WARNING 'public.%.% may be NULL: %', of_table, own.name, SQLERRM;
        END;
    END LOOP;
    FOR lost IN
        SELECT k.conname AS name, pg_get_constraintdef(k.oid) AS text
        FROM pg_catalog.pg_constraint k
        WHERE k.conrelid = to_regclass('hookline_older.' || quote_ident(of_table)) AND k.contype IN ('c', 'f', 'u', 'x')
          AND EXISTS (SELECT FROM hookline_older.carried c JOIN pg_catalog.pg_attribute a ON a.attrelid = k.conrelid AND a.attname = c.column_name
                      WHERE c.name = of_table AND a.attnum = ANY (k.conkey))
        ORDER BY 1
    LOOP
        RAISE WARNING 'public.% has no constraint %, which the older table has: %', of_table, lost.name, lost.text;
    END LOOP;
END
$$;

-- A sequence comes along; of a type that stays behind there is the text.
CREATE FUNCTION hookline_older.carry_default(of_table text, column_name text, its_default oid) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    sequence text;
    value text;
BEGIN
    FOR sequence IN
        SELECT s.relname
        FROM pg_catalog.pg_depend d JOIN pg_catalog.pg_class s ON s.oid = d.refobjid AND d.refclassid = 'pg_class'::regclass
        WHERE d.classid = 'pg_attrdef'::regclass AND d.objid = its_default
          AND s.relkind = 'S' AND s.relnamespace = 'hookline_older'::regnamespace
    LOOP
        EXECUTE format('ALTER SEQUENCE hookline_older.%I OWNED BY NONE', sequence);
        EXECUTE format('ALTER SEQUENCE hookline_older.%I SET SCHEMA public', sequence);
        EXECUTE format('ALTER SEQUENCE public.%I OWNED BY public.%I.%I', sequence, of_table, column_name);
    END LOOP;
    SELECT pg_get_expr(d.adbin, d.adrelid) INTO value FROM pg_catalog.pg_attrdef d WHERE d.oid = its_default;
    IF EXISTS (SELECT FROM pg_catalog.pg_depend d JOIN pg_catalog.pg_type t ON t.oid = d.refobjid AND d.refclassid = 'pg_type'::regclass
               WHERE d.classid = 'pg_attrdef'::regclass AND d.objid = its_default AND t.typnamespace = 'hookline_older'::regnamespace) THEN
        EXECUTE format('SELECT quote_nullable((%s)::text)', value) INTO value;
    END IF;
    EXECUTE format('ALTER TABLE public.%I ALTER COLUMN %I SET DEFAULT %s', of_table, column_name, value);
END
$$;

-- ---- users ----

WITH older AS (
    SELECT place, older_id, j, coalesce(hookline_older.as_uuid(older_id), gen_random_uuid()) AS id,
           CASE WHEN row_number() OVER (PARTITION BY j ->> 'email' ORDER BY place) = 1 THEN j ->> 'email' END AS email,
           coalesce(j ->> 'name', j ->> 'full_name', j ->> 'display_name') AS name,
           CASE WHEN j ->> 'role' IN ('user', 'admin') THEN j ->> 'role' END AS role,
           hookline_older.as_time(j ->> 'created_at') AS created_at,
           hookline_older.as_time(j ->> 'updated_at') AS updated_at
    FROM hookline_older.rows_of('users')
), made AS (
    INSERT INTO public.users (id, email, name, role, created_at, updated_at, metadata)
    SELECT id, email, name, coalesce(role, 'user'), coalesce(created_at, now()), coalesce(updated_at, created_at, now()),
           hookline_older.with_rest(j, jsonb_build_object('id', hookline_older.as_uuid(older_id), 'email', email, 'name', name, 'role', role,
                                                         'created_at', created_at, 'updated_at', updated_at)
                                       || hookline_older.carried_of(j, 'users'))
    FROM older
)
INSERT INTO hookline_older.moved SELECT 'users', place, older_id, 'users', id FROM older;

-- Users whom only their calls name (on Supabase they are in auth.users).
INSERT INTO public.users (id)
SELECT DISTINCT hookline_older.as_uuid(named.id)
FROM (SELECT j ->> 'user_id' AS id FROM hookline_older.rows_of('voice_calls')
      UNION ALL SELECT j ->> 'caller_id' FROM hookline_older.rows_of('voice_calls')
      UNION ALL SELECT j ->> 'user_id' FROM hookline_older.rows_of('call_participants')) named
WHERE hookline_older.as_uuid(named.id) IS NOT NULL
ON CONFLICT DO NOTHING;

-- ---- businesses, customers, agents, phone numbers ----

WITH older AS (
    SELECT place, older_id, j, coalesce(hookline_older.as_uuid(older_id), gen_random_uuid()) AS id,
           coalesce(j ->> 'name', j ->> 'business_name') AS name,
           j ->> 'teli_agent_id' AS teli_agent_id,
           hookline_older.as_time(j ->> 'created_at') AS created_at,
           hookline_older.as_time(j ->> 'updated_at') AS updated_at
    FROM hookline_older.rows_of('businesses')
), made AS (
    INSERT INTO public.businesses (id, name, teli_agent_id, created_at, updated_at, metadata)
    SELECT id, name, teli_agent_id, coalesce(created_at, now()), coalesce(updated_at, created_at, now()),
           hookline_older.with_rest(j, jsonb_build_object('id', hookline_older.as_uuid(older_id), 'name', name, 'teli_agent_id', teli_agent_id,
                                                         'created_at', created_at, 'updated_at', updated_at)
                                       || hookline_older.carried_of(j, 'businesses'))
    FROM older
)
INSERT INTO hookline_older.moved SELECT 'businesses', place, older_id, 'businesses', id FROM older;

INSERT INTO public.business_agents (provider, agent_id, business_id)
SELECT 'teli', b.teli_agent_id, b.id FROM public.businesses b WHERE b.teli_agent_id IS NOT NULL ORDER BY b.created_at, b.id
ON CONFLICT DO NOTHING;

-- Of customers of one business with one number the first keeps it.
WITH older AS (
    SELECT r.*, coalesce(hookline_older.as_uuid(r.older_id), gen_random_uuid()) AS id, b.new_id::uuid AS business_id,
           coalesce(public.hookline_e164(n.number), n.number) AS number,
           hookline_older.as_time(j ->> 'created_at') AS created_at,
           hookline_older.as_time(j ->> 'updated_at') AS updated_at
    FROM hookline_older.rows_of('customers') r
    CROSS JOIN LATERAL (SELECT coalesce(r.j ->> 'phone_number', r.j ->> 'phone') AS number) n
    LEFT JOIN hookline_older.moved b ON b.older_table = 'businesses' AND b.older_id = r.j ->> 'business_id'
), numbered AS (
    SELECT *, CASE WHEN row_number() OVER (PARTITION BY business_id, number ORDER BY created_at, place) = 1 OR business_id IS NULL
                   THEN number END AS own_number
    FROM older
), made AS (
    INSERT INTO public.customers (id, business_id, phone_number, name, email, extracted_fields, created_at, updated_at, metadata)
    SELECT id, business_id, own_number, j ->> 'name', j ->> 'email', hookline_older.as_object(j -> 'extracted_fields'),
           coalesce(created_at, now()), coalesce(updated_at, created_at, now()),
           hookline_older.with_rest(j, jsonb_build_object(
               'id', hookline_older.as_uuid(older_id), 'business_id', CASE WHEN business_id::text = j ->> 'business_id' THEN true END, 'name', j -> 'name',
               'email', j -> 'email', 'extracted_fields', hookline_older.as_object(j -> 'extracted_fields'),
               'phone_number', CASE WHEN own_number = j ->> 'phone_number' THEN own_number END,
               'created_at', created_at, 'updated_at', updated_at) || hookline_older.carried_of(j, 'customers'))
    FROM numbered
)
INSERT INTO hookline_older.moved SELECT 'customers', place, older_id, 'customers', id FROM numbered;
SELECT hookline_older.take_same_names('customers');

WITH older AS (
    SELECT r.*, coalesce(hookline_older.as_uuid(r.older_id), gen_random_uuid()) AS id, b.new_id::uuid AS business_id,
           CASE WHEN j ->> 'action' IN ('bridge', 'stream', 'answer') THEN j ->> 'action' END AS action,
           CASE WHEN row_number() OVER (PARTITION BY j ->> 'vapi_assistant_id' ORDER BY r.place) = 1 THEN left(j ->> 'vapi_assistant_id', 255) END AS assistant,
           coalesce(j ->> 'greeting', j ->> 'first_message') AS greeting,
           coalesce(j ->> 'prompt', j ->> 'system_prompt') AS prompt,
           hookline_older.as_object(j -> 'config') AS config,
           hookline_older.as_time(j ->> 'created_at') AS created_at,
           hookline_older.as_time(j ->> 'updated_at') AS updated_at
    FROM hookline_older.rows_of('agents') r
    LEFT JOIN hookline_older.moved b ON b.older_table = 'businesses' AND b.older_id = r.j ->> 'business_id'
), made AS (
    INSERT INTO public.agents (id, vapi_assistant_id, business_id, name, greeting, prompt, config, action, created_at, updated_at, metadata)
    SELECT id, assistant, business_id, j ->> 'name', greeting, prompt, config, action, coalesce(created_at, now()), coalesce(updated_at, created_at, now()),
           hookline_older.with_rest(j, jsonb_build_object(
               'id', hookline_older.as_uuid(older_id), 'vapi_assistant_id', assistant,
               'business_id', CASE WHEN business_id::text = j ->> 'business_id' THEN true END, 'name', j -> 'name',
               'greeting', CASE WHEN j ->> 'greeting' = greeting THEN true END, 'prompt', CASE WHEN j ->> 'prompt' = prompt THEN true END,
               'config', config, 'action', action, 'created_at', created_at, 'updated_at', updated_at)
               || hookline_older.carried_of(j, 'agents'))
    FROM older
)
INSERT INTO hookline_older.moved SELECT 'agents', place, older_id, 'agents', id FROM older;
SELECT hookline_older.take_same_names('agents');

WITH older AS (
    SELECT r.*, coalesce(hookline_older.as_uuid(r.older_id), gen_random_uuid()) AS id, a.new_id::uuid AS agent_id,
           b.new_id::uuid AS business_id, coalesce(public.hookline_e164(n.number), n.number) AS number,
           CASE WHEN j ->> 'action' IN ('bridge', 'stream', 'answer') THEN j ->> 'action' END AS action,
           CASE WHEN row_number() OVER (PARTITION BY j ->> 'vapi_phone_id' ORDER BY r.place) = 1 THEN left(j ->> 'vapi_phone_id', 255) END AS phone_id,
           left(j ->> 'vapi_assistant_id', 255) AS assistant,
           coalesce(j ->> 'name', j ->> 'friendly_name', j ->> 'label') AS name,
           hookline_older.as_time(j ->> 'created_at') AS created_at,
           hookline_older.as_time(j ->> 'updated_at') AS updated_at
    FROM hookline_older.rows_of('phone_numbers') r
    CROSS JOIN LATERAL (SELECT coalesce(r.j ->> 'number', r.j ->> 'phone_number', r.j ->> 'phone') AS number) n
    LEFT JOIN hookline_older.moved a ON a.older_table = 'agents' AND a.older_id = r.j ->> 'agent_id'
    LEFT JOIN hookline_older.moved b ON b.older_table = 'businesses' AND b.older_id = r.j ->> 'business_id'
), numbered AS (
    SELECT *, CASE WHEN row_number() OVER (PARTITION BY number ORDER BY created_at, place) = 1 THEN number END AS own_number FROM older
), made AS (
    INSERT INTO public.phone_numbers (id, number, name, provider, vapi_phone_id, vapi_assistant_id, agent_id, business_id, action,
                                      created_at, updated_at, metadata)
    SELECT id, own_number, name, j ->> 'provider', phone_id, assistant, agent_id, business_id, action, coalesce(created_at, now()),
           coalesce(updated_at, created_at, now()),
           hookline_older.with_rest(j, jsonb_build_object(
               'id', hookline_older.as_uuid(older_id), 'number', CASE WHEN own_number = j ->> 'number' THEN own_number END, 'name', name,
               'provider', j -> 'provider', 'vapi_phone_id', phone_id, 'vapi_assistant_id', assistant,
               'agent_id', CASE WHEN agent_id::text = j ->> 'agent_id' THEN true END,
               'business_id', CASE WHEN business_id::text = j ->> 'business_id' THEN true END, 'action', action, 'created_at', created_at, 'updated_at', updated_at)
               || hookline_older.carried_of(j, 'phone_numbers'))
    FROM numbered
)
INSERT INTO hookline_older.moved SELECT 'phone_numbers', place, older_id, 'phone_numbers', id FROM numbered;
SELECT hookline_older.take_same_names('phone_numbers');

-- ---- leads ----

-- What gets a number of its own gets one that no older row has.
CREATE FUNCTION hookline_older.next_id(our_table text) RETURNS bigint LANGUAGE sql AS $$
    SELECT nextval(pg_get_serial_sequence(our_table, 'id')) -- whatever its name: an older sequence may have had ours
$$;
CREATE FUNCTION hookline_older.skip_ids(our_table text, VARIADIC tables text[]) RETURNS void LANGUAGE sql AS $$
    SELECT setval(pg_get_serial_sequence(our_table, 'id'), top) FROM (SELECT max(hookline_older.as_bigint(r.older_id)) AS top
                                       FROM unnest(tables) AS t, LATERAL hookline_older.rows_of(t) r) m
    WHERE top > 0
$$;

SELECT hookline_older.skip_ids('public.leads', 'leads');
WITH older AS (
    SELECT place, older_id, j, coalesce(hookline_older.as_bigint(older_id), hookline_older.next_id('public.leads')) AS id,
           coalesce(j ->> 'phone', j ->> 'phone_number') AS phone,
           nullif(trim(concat_ws(' ', coalesce(j ->> 'name', j ->> 'first_name'),
                                 CASE WHEN j ->> 'name' IS NULL THEN j ->> 'last_name' END)), '') AS name,
           CASE WHEN row_number() OVER (PARTITION BY nullif(j ->> 'call_sid', '')
                                        ORDER BY hookline_older.as_time(j ->> 'last_contacted_at') DESC NULLS LAST, place) = 1
                THEN nullif(j ->> 'call_sid', '') END AS call_sid,
           coalesce(j ->> 'lead_status', j ->> 'status') AS lead_status,
           hookline_older.as_time(j ->> 'last_contacted_at') AS last_contacted_at,
           hookline_older.as_time(j ->> 'created_at') AS created_at,
           hookline_older.as_time(j ->> 'updated_at') AS updated_at
    FROM hookline_older.rows_of('leads')
), made AS (
    INSERT INTO public.leads (id, name, phone, phone_e164, email, call_sid, lead_status, last_contacted_at, notes, created_at,
                              updated_at, metadata)
    SELECT id, name, phone, public.hookline_e164(phone), j ->> 'email', call_sid, coalesce(lead_status, 'new'), last_contacted_at,
           j ->> 'notes', coalesce(created_at, now()), coalesce(updated_at, created_at, now()),
           hookline_older.with_rest(j, jsonb_build_object(
               'id', hookline_older.as_bigint(older_id), 'name', j -> 'name', 'phone', j -> 'phone', 'email', j -> 'email',
               'call_sid', call_sid, 'lead_status', lead_status, 'last_contacted_at', last_contacted_at, 'notes', j -> 'notes',
               'created_at', created_at, 'updated_at', updated_at) || hookline_older.carried_of(j, 'leads'))
    FROM older
)
INSERT INTO hookline_older.moved SELECT 'leads', place, older_id, 'leads', id FROM older;

-- ---- calls ----

-- The words that older systems had for a status, with dashes for underscores.
CREATE TABLE hookline_older.words AS
    SELECT unnest(string_to_array(w.words, ' ')) AS word, w.phase::smallint, w.outcome
    FROM (VALUES (0, NULL, 'pending queued initiated ringing scheduled created waiting'),
                 (1, NULL, 'active in-progress answered connected ongoing'),
                 (2, 'completed', 'completed ended done finished transferred'),
                 (2, 'failed', 'failed busy no-answer canceled cancelled error missed rejected voicemail')) AS w (phase, outcome, words);
CREATE FUNCTION hookline_older.as_word(value text) RETURNS text LANGUAGE sql IMMUTABLE AS $$
    SELECT replace(lower(value), '_', '-')
$$;
CREATE FUNCTION hookline_older.status_of(phase smallint, outcome text, connected_at timestamptz) RETURNS public.call_status LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE coalesce(phase, 0) WHEN 0 THEN 'pending' WHEN 1 THEN 'active'
                ELSE CASE WHEN coalesce(outcome = 'completed', connected_at IS NOT NULL) THEN 'completed' ELSE 'failed' END
           END::public.call_status
$$;

-- voice_calls. A call whose session's name is its own, or that goes on, waits for its provider's id (see
-- repeatable_sessions.sql); one that has ended in a room whose name may be used again does not.
WITH older AS (
    SELECT r.*, coalesce(hookline_older.as_uuid(r.older_id), gen_random_uuid()) AS id, w.phase AS word_phase, w.outcome,
           coalesce(hookline_older.as_uuid(j ->> 'user_id'), hookline_older.as_uuid(j ->> 'caller_id')) AS user_id,
           b.new_id::uuid AS business_id, coalesce(nullif(j ->> 'provider', ''), 'livekit') AS provider,
           coalesce(nullif(j ->> 'provider_call_id', ''), CASE WHEN j ->> 'provider' = 'twilio' THEN nullif(j ->> 'call_sid', '') END) AS call_id,
           coalesce(j ->> 'from_number', public.hookline_e164(j ->> 'caller_id')) AS from_number,
           j ->> 'to_number' AS to_number,
           hookline_older.as_time(j ->> 'started_at') AS started_at,
           hookline_older.as_time(j ->> 'connected_at') AS connected_at,
           hookline_older.as_time(j ->> 'ended_at') AS ended_at,
           hookline_older.as_integer(j ->> 'duration_seconds') AS duration,
           hookline_older.as_bigint(j ->> 'total_tokens_used') AS tokens,
           hookline_older.as_boolean(j ->> 'ai_agent_used') AS ai_agent_used,
           hookline_older.as_numeric(j ->> 'cost') AS cost,
           lower(substring(j ->> 'direction' FROM '(?i)^(?:inbound|outbound)')) AS direction,
           hookline_older.as_time(j ->> 'created_at') AS created_at,
           hookline_older.as_time(j ->> 'updated_at') AS updated_at
    FROM hookline_older.rows_of('voice_calls') r
    LEFT JOIN hookline_older.words w ON w.word = hookline_older.as_word(r.j ->> 'status')
    LEFT JOIN hookline_older.moved b ON b.older_table = 'businesses' AND b.older_id = r.j ->> 'business_id'
), phased AS (
    SELECT *, coalesce(word_phase, CASE WHEN ended_at IS NOT NULL THEN 2 END)::smallint AS phase,
           CASE WHEN row_number() OVER (PARTITION BY provider, call_id ORDER BY place) = 1 THEN call_id END AS own_call_id
    FROM older
), ended AS (
    -- A call that is over, who knows when, was so by the latest time that is known of it: no later room is its room.
    SELECT *, CASE WHEN ended_at IS NOT NULL OR phase IS DISTINCT FROM 2 THEN ended_at
                   ELSE coalesce(coalesce(connected_at, started_at) + make_interval(secs => duration),
                                 greatest(updated_at, connected_at, started_at, created_at)) END AS over_at
    FROM phased
), made AS (
    INSERT INTO public.voice_calls (id, provider, provider_call_id, user_id, business_id, status, phase, outcome, end_reason, session_id,
                                    room_name, call_sid, direction, from_number, to_number, customer_number, started_at,
                                    connected_at, ended_at, duration_seconds, recording_url, transcript, summary,
                                    total_tokens_used, cost, agent_id, agent_name, ai_agent_used, metadata, versions,
                                    created_at, updated_at)
    SELECT id, provider,
           coalesce(own_call_id, CASE WHEN phase = 2 AND (j ->> 'session_id' IS NULL OR over_at IS NULL) THEN 'older:' || coalesce(older_id, id::text) END),
           user_id, business_id, hookline_older.status_of(phase, outcome, connected_at), phase, outcome,
           coalesce(j ->> 'end_reason', CASE WHEN outcome = 'failed' THEN nullif(hookline_older.as_word(j ->> 'status'), 'failed') END),
           coalesce(j ->> 'session_id', j ->> 'room_name'), j ->> 'room_name', nullif(j ->> 'call_sid', ''), direction,
           from_number, to_number,
           coalesce(public.hookline_e164(j ->> 'customer_number'), public.hookline_e164(CASE direction WHEN 'outbound' THEN to_number ELSE from_number END)),
           started_at, connected_at, over_at, coalesce(duration, CASE WHEN ended_at >= connected_at THEN
                                                        floor(date_part('epoch', ended_at - connected_at))::integer END),
           j ->> 'recording_url', j ->> 'transcript', j ->> 'summary', tokens, cost, j ->> 'agent_id', j ->> 'agent_name',
           ai_agent_used,
           hookline_older.with_rest(j, jsonb_build_object(
               'id', hookline_older.as_uuid(older_id), 'user_id', hookline_older.as_uuid(j ->> 'user_id'),
               'caller_id', CASE WHEN j ->> 'caller_id' IN (user_id::text, from_number) THEN true END,
               'status', CASE WHEN j ->> 'status' IN ('pending', 'active', 'completed', 'failed') THEN true END,
               'provider', CASE WHEN j ->> 'provider' = provider THEN true END,
               'provider_call_id', CASE WHEN j ->> 'provider_call_id' = own_call_id THEN true END,
               'business_id', CASE WHEN business_id::text = j ->> 'business_id' THEN true END,
               'session_id', true, 'room_name', true, 'call_sid', true, 'direction', CASE WHEN j ->> 'direction' = direction THEN true END,
               'customer_number', CASE WHEN j ->> 'customer_number' = public.hookline_e164(j ->> 'customer_number') THEN true END,
               'from_number', true, 'to_number', true, 'started_at', started_at, 'connected_at', connected_at, 'ended_at', ended_at,
               'duration_seconds', duration, 'recording_url', true, 'transcript', true, 'summary', true,
               'total_tokens_used', tokens, 'cost', cost, 'agent_id', true, 'agent_name', true, 'ai_agent_used', ai_agent_used,
               'end_reason', true, 'created_at', created_at, 'updated_at', updated_at)),
           '{-1}', coalesce(created_at, started_at, now()), coalesce(updated_at, ended_at, created_at, now())
    FROM ended
)
INSERT INTO hookline_older.moved SELECT 'voice_calls', place, older_id, 'voice_calls', id FROM ended;

-- beyond_calls, of which a message may be all that is left.
WITH older AS (
    SELECT r.*, coalesce(hookline_older.as_uuid(r.older_id), gen_random_uuid()) AS id,
           CASE WHEN row_number() OVER (PARTITION BY j ->> 'call_id' ORDER BY r.place) = 1 AND c.id IS NULL THEN nullif(j ->> 'call_id', '') END AS call_id,
           hookline_older.as_time(j ->> 'started_at') AS started_at,
           hookline_older.as_time(j ->> 'ended_at') AS ended_at,
           hookline_older.as_time(j ->> 'created_at') AS created_at,
           hookline_older.as_time(j ->> 'updated_at') AS updated_at
    FROM hookline_older.rows_of('beyond_calls') r
    LEFT JOIN public.voice_calls c ON c.provider = 'beyond_presence' AND c.provider_call_id = r.j ->> 'call_id'
), fresh AS (
    SELECT *, CASE WHEN EXISTS (SELECT FROM public.voice_calls c WHERE c.id = older.id) THEN gen_random_uuid() ELSE id END AS new_id FROM older
), made AS (
    INSERT INTO public.voice_calls (id, provider, provider_call_id, phase, outcome, status, agent_id, started_at, ended_at,
                                    metadata, versions, created_at, updated_at)
    SELECT new_id, 'beyond_presence', coalesce(call_id, 'older:' || new_id),
           CASE WHEN ended_at IS NOT NULL THEN 2 WHEN started_at IS NOT NULL THEN 1 ELSE 0 END,
           CASE WHEN ended_at IS NOT NULL THEN 'completed' END,
           (CASE WHEN ended_at IS NOT NULL THEN 'completed' WHEN started_at IS NOT NULL THEN 'active' ELSE 'pending' END)::public.call_status,
           j ->> 'agent_id', started_at, ended_at,
           hookline_older.with_rest(j, jsonb_build_object(
               'id', CASE WHEN new_id::text = older_id THEN true END, 'call_id', call_id, 'agent_id', true,
               'started_at', started_at, 'ended_at', ended_at, 'created_at', created_at, 'updated_at', updated_at)),
           '{-1}', coalesce(created_at, started_at, now()), coalesce(updated_at, created_at, now())
    FROM fresh
)
INSERT INTO hookline_older.moved SELECT 'beyond_calls', place, older_id, 'voice_calls', new_id FROM fresh;

INSERT INTO public.voice_calls (provider, provider_call_id, versions)
SELECT DISTINCT 'beyond_presence', coalesce(nullif(j ->> 'call_id', ''), 'older:unknown'), '{-1}'::bigint[]
FROM hookline_older.rows_of('beyond_call_messages')
ON CONFLICT (provider_call_id, provider) DO NOTHING;

-- Calls of which there are only events, a transcript or a lead: each call_sid is one of Twilio's. Lines without one hang on
-- a call that says so.
WITH heard AS (
    SELECT nullif(j ->> 'call_sid', '') AS call_sid, j, w.phase, w.outcome,
           coalesce(hookline_older.as_time(j ->> 'timestamp'), hookline_older.as_time(j ->> 'created_at')) AS at
    FROM hookline_older.rows_of('call_events') r
    LEFT JOIN hookline_older.words w ON w.word = hookline_older.as_word(coalesce(r.j ->> 'call_status', r.j ->> 'status'))
    UNION ALL
    SELECT coalesce(nullif(j ->> 'call_sid', ''), 'older:unknown'), '{}', NULL, NULL, NULL
    FROM hookline_older.rows_of('conversation_transcripts')
    UNION ALL
    SELECT l.call_sid, '{}', NULL, NULL, NULL
    FROM public.leads l JOIN hookline_older.moved m ON m.older_table = 'leads' AND m.new_id = l.id::text WHERE l.call_sid IS NOT NULL
), calls AS (
    SELECT call_sid, max(phase)::smallint AS phase,
           (array_agg(outcome ORDER BY at DESC) FILTER (WHERE outcome IS NOT NULL))[1] AS outcome,
           (array_agg(hookline_older.as_word(coalesce(j ->> 'call_status', j ->> 'status')) ORDER BY at DESC) FILTER (WHERE outcome = 'failed'))[1] AS reason,
           (array_agg(j ->> 'from_number' ORDER BY at) FILTER (WHERE j ->> 'from_number' IS NOT NULL))[1] AS from_number,
           (array_agg(j ->> 'to_number' ORDER BY at) FILTER (WHERE j ->> 'to_number' IS NOT NULL))[1] AS to_number,
           (array_agg(CASE WHEN j ->> 'direction' LIKE 'inbound%' THEN 'inbound' WHEN j ->> 'direction' LIKE 'outbound%' THEN 'outbound' END
                      ORDER BY at) FILTER (WHERE j ->> 'direction' ~ '^(in|out)bound'))[1] AS direction,
           min(at) AS started_at, min(at) FILTER (WHERE phase = 1) AS connected_at, max(at) FILTER (WHERE phase = 2) AS ended_at,
           max(coalesce(hookline_older.as_integer(j ->> 'duration'), hookline_older.as_integer(j ->> 'call_duration'))) AS duration
    FROM heard
    WHERE call_sid IS NOT NULL
    GROUP BY call_sid
)
INSERT INTO public.voice_calls (provider, provider_call_id, call_sid, status, phase, outcome, end_reason, from_number, to_number,
                                direction, customer_number, started_at, connected_at, ended_at, duration_seconds, versions, created_at)
SELECT 'twilio', call_sid, nullif(call_sid, 'older:unknown'), hookline_older.status_of(phase, outcome, connected_at), phase, outcome,
       CASE WHEN outcome = 'failed' THEN reason END, from_number, to_number, direction,
       public.hookline_e164(CASE direction WHEN 'inbound' THEN from_number WHEN 'outbound' THEN to_number END),
       started_at, connected_at, ended_at, duration, '{-1}', coalesce(started_at, now())
FROM calls
ON CONFLICT (provider_call_id, provider) DO NOTHING;

-- Messages and participants of a call that is not there any more still have one.
INSERT INTO public.voice_calls (provider, provider_call_id, versions)
SELECT DISTINCT 'livekit', 'older:' || coalesce(child.call_id, 'unknown'), '{-1}'::bigint[]
FROM (SELECT j ->> 'call_id' AS call_id FROM hookline_older.rows_of('voice_messages')
      UNION ALL SELECT j ->> 'call_id' FROM hookline_older.rows_of('call_participants')) child
WHERE NOT EXISTS (SELECT FROM hookline_older.moved m WHERE m.older_table = 'voice_calls' AND m.older_id = child.call_id)
ON CONFLICT (provider_call_id, provider) DO NOTHING;

-- Which call a child's call_id means.
CREATE TABLE hookline_older.calls AS
    SELECT 'voice_calls' AS kind, m.older_id AS call_id, m.new_id::uuid AS id
    FROM hookline_older.moved m WHERE m.older_table = 'voice_calls' AND m.older_id IS NOT NULL
    UNION ALL
    SELECT 'voice_calls', substr(c.provider_call_id, 7), c.id
    FROM public.voice_calls c
    WHERE c.provider = 'livekit' AND c.provider_call_id LIKE 'older:%'
      AND NOT EXISTS (SELECT FROM hookline_older.moved m WHERE m.older_table = 'voice_calls' AND m.new_id = c.id::text)
    UNION ALL
    SELECT c.provider, c.provider_call_id, c.id FROM public.voice_calls c WHERE c.provider IN ('twilio', 'beyond_presence');
CREATE INDEX ON hookline_older.calls (call_id, kind);
ANALYZE hookline_older.calls, hookline_older.moved, public.voice_calls;

-- ---- messages ----

SELECT hookline_older.skip_ids('public.voice_messages', 'conversation_transcripts', 'voice_messages');
WITH lines AS (
    SELECT 'conversation_transcripts' AS older_table, 'twilio' AS kind, coalesce(nullif(r.j ->> 'call_sid', ''), 'older:unknown') AS call, r.*
    FROM hookline_older.rows_of('conversation_transcripts') r
    UNION ALL
    SELECT 'voice_messages', 'voice_calls', coalesce(r.j ->> 'call_id', 'unknown'), r.* FROM hookline_older.rows_of('voice_messages') r
    UNION ALL
    SELECT 'beyond_call_messages', 'beyond_presence', coalesce(nullif(r.j ->> 'call_id', ''), 'older:unknown'), r.*
    FROM hookline_older.rows_of('beyond_call_messages') r
), older AS (
    SELECT l.*, c.id AS new_call, hookline_older.as_bigint(l.older_id) AS kept,
           coalesce(j ->> 'role', j ->> 'speaker', j ->> 'sender') AS said_by,
           coalesce(j ->> 'content', j ->> 'message', j ->> 'text') AS content,
           coalesce(hookline_older.as_time(j ->> 'timestamp'), hookline_older.as_time(j ->> 'sent_at'),
                    hookline_older.as_time(j ->> 'spoken_at')) AS spoken_at,
           hookline_older.as_bigint(j ->> 'sequence_number') AS sequence_number,
           CASE WHEN row_number() OVER (PARTITION BY c.id, j ->> 'message_key' ORDER BY older_table, place) = 1 THEN j ->> 'message_key' END AS key,
           hookline_older.as_integer(j ->> 'tokens_used') AS tokens,
           hookline_older.as_time(j ->> 'created_at') AS created_at
    FROM lines l JOIN hookline_older.calls c ON c.kind = l.kind AND c.call_id = l.call
), numbered AS (
    SELECT *, CASE WHEN kept > 0 AND row_number() OVER (PARTITION BY kept ORDER BY older_table, place) = 1
                   THEN kept ELSE hookline_older.next_id('public.voice_messages') END AS id,
           coalesce(sequence_number, row_number() OVER (PARTITION BY new_call, older_table ORDER BY coalesce(spoken_at, created_at), kept, place)) AS sequence
    FROM older
), made AS (
    INSERT INTO public.voice_messages (id, call_id, message_key, source, role, content, sequence_number, spoken_at, tokens_used,
                                       model, model_used, audio_url, metadata, created_at, versions)
    SELECT id, new_call, coalesce(key, 'older:' || older_table || ':' || coalesce(older_id, place)), 'app', hookline_older.as_role(said_by), content,
           sequence, spoken_at, tokens, coalesce(j ->> 'model_used', j ->> 'model'), coalesce(j ->> 'model_used', j ->> 'model'),
           j ->> 'audio_url',
           hookline_older.with_rest(j, jsonb_build_object(
               'id', CASE WHEN id::text = older_id THEN true END, 'message_key', key, 'call_id', true, 'call_sid', true,
               'role', CASE WHEN j ->> 'role' = hookline_older.as_role(said_by)::text THEN true END,
               'speaker', CASE WHEN j ->> 'speaker' = hookline_older.as_role(said_by)::text THEN true END,
               'sender', CASE WHEN hookline_older.as_role(said_by) IS NOT NULL THEN true END,
               'content', CASE WHEN j ->> 'content' = content THEN true END, 'message', CASE WHEN j ->> 'message' = content THEN true END,
               'text', CASE WHEN j ->> 'text' = content THEN true END, 'sequence_number', sequence_number, 'tokens_used', tokens,
               'timestamp', CASE WHEN hookline_older.as_time(j ->> 'timestamp') = spoken_at THEN true END,
               'sent_at', CASE WHEN hookline_older.as_time(j ->> 'sent_at') = spoken_at THEN true END,
               'spoken_at', CASE WHEN hookline_older.as_time(j ->> 'spoken_at') = spoken_at THEN true END,
               'model_used', true, 'model', CASE WHEN j ->> 'model_used' IS NULL THEN true END, 'audio_url', true, 'created_at', created_at)),
           coalesce(created_at, spoken_at, now()), '{-1}'
    FROM numbered
)
INSERT INTO hookline_older.moved SELECT older_table, place, older_id, 'voice_messages', id FROM numbered;

SELECT hookline_older.take_same_names('voice_messages');
UPDATE public.voice_messages m
SET versions = hookline_older.versions(ARRAY['source', 'role', 'content', 'sequence_number', 'spoken_at', 'ended_at', 'tokens_used',
                                             'model', 'audio_url', 'interrupted', 'metadata'], to_jsonb(m))
WHERE m.versions = '{-1}';

-- ---- participants ----

SELECT hookline_older.skip_ids('public.call_participants', 'call_participants');
WITH older AS (
    SELECT r.*, c.id AS new_call, coalesce(hookline_older.as_bigint(r.older_id), hookline_older.next_id('public.call_participants')) AS id,
           hookline_older.as_uuid(r.j ->> 'user_id') AS user_id,
           CASE WHEN row_number() OVER (PARTITION BY c.id, j ->> 'participant_id' ORDER BY place) = 1 THEN j ->> 'participant_id' END AS stay,
           coalesce(j ->> 'participant_identity', j ->> 'identity', j ->> 'user_id') AS identity,
           CASE WHEN j ->> 'participant_type' IN ('user', 'agent', 'admin') THEN (j ->> 'participant_type')::public.participant_type END AS type,
           hookline_older.as_time(j ->> 'joined_at') AS joined_at,
           hookline_older.as_time(j ->> 'left_at') AS left_at,
           hookline_older.as_integer(j ->> 'duration_seconds') AS duration,
           hookline_older.as_boolean(j ->> 'is_muted') AS is_muted,
           hookline_older.as_time(j ->> 'created_at') AS created_at
    FROM hookline_older.rows_of('call_participants') r
    JOIN hookline_older.calls c ON c.kind = 'voice_calls' AND c.call_id = coalesce(r.j ->> 'call_id', 'unknown')
), made AS (
    INSERT INTO public.call_participants (id, call_id, participant_id, user_id, participant_identity, participant_name,
                                          participant_type, joined_at, left_at, duration_seconds, is_muted, metadata, created_at, versions)
    SELECT id, new_call, coalesce(stay, 'older:' || coalesce(older_id, place)), user_id, identity, j ->> 'participant_name', type, joined_at, left_at,
           coalesce(duration, CASE WHEN left_at >= joined_at THEN floor(date_part('epoch', left_at - joined_at))::integer END), is_muted,
           hookline_older.with_rest(j, jsonb_build_object(
               'id', hookline_older.as_bigint(older_id), 'participant_id', stay, 'call_id', true, 'user_id', CASE WHEN j ->> 'user_id' IN (user_id::text, identity) THEN true END,
               'participant_identity', true, 'participant_name', true, 'participant_type', type, 'joined_at', joined_at,
               'left_at', left_at, 'duration_seconds', duration, 'is_muted', is_muted, 'created_at', created_at)),
           coalesce(created_at, joined_at, now()), '{-1}'
    FROM older
)
INSERT INTO hookline_older.moved SELECT 'call_participants', place, older_id, 'call_participants', id FROM older;

SELECT hookline_older.take_same_names('call_participants');
UPDATE public.call_participants p
SET versions = hookline_older.versions(ARRAY['participant_identity', 'participant_name', 'participant_type', 'kind', 'joined_at',
                                             'left_at', 'connected', 'left_reason', 'phone_number', 'attributes'], to_jsonb(p))
WHERE p.versions = '{-1}';

-- ---- events ----

SELECT hookline_older.skip_ids('public.call_events', 'call_events');
WITH older AS (
    SELECT r.*, coalesce(hookline_older.as_bigint(r.older_id), hookline_older.next_id('public.call_events')) AS id,
           coalesce(j ->> 'provider', 'twilio') AS provider, coalesce(j ->> 'event_key', 'older:' || coalesce(r.older_id, r.place)) AS event_key,
           hookline_older.as_integer(coalesce(j ->> 'duration', j ->> 'call_duration')) AS duration,
           coalesce(hookline_older.as_time(j ->> 'received_at'), hookline_older.as_time(j ->> 'created_at'),
                    hookline_older.as_time(j ->> 'timestamp'), now()) AS at
    FROM hookline_older.rows_of('call_events') r
), keys AS (
    INSERT INTO public.event_keys (key_hash, seen_at)
    SELECT encode(substr(sha256(convert_to(provider || ':' || event_key, 'UTF8')), 1, 16), 'hex')::uuid, at FROM older
    ON CONFLICT DO NOTHING
), made AS (
    INSERT INTO public.call_events (id, received_at, provider, event_key, event_type, way, provider_call_id, call_sid, from_number,
                                    to_number, call_status, occurred_at, duration, payload, created_at)
    SELECT id, at, provider, event_key, coalesce(j ->> 'event_type', j ->> 'event'), 'older', coalesce(j ->> 'provider_call_id', nullif(j ->> 'call_sid', '')),
           nullif(j ->> 'call_sid', ''), j ->> 'from_number', j ->> 'to_number', coalesce(j ->> 'call_status', j ->> 'status'),
           coalesce(hookline_older.as_time(j ->> 'occurred_at'), hookline_older.as_time(j ->> 'timestamp')), duration,
           coalesce(hookline_older.as_object(j -> 'payload') || jsonb_build_object('older', j - 'payload'), j),
           coalesce(hookline_older.as_time(j ->> 'created_at'), at)
    FROM older
)
INSERT INTO hookline_older.moved SELECT 'call_events', place, older_id, 'call_events', id FROM older;

ANALYZE hookline_older.moved, public.voice_calls, public.voice_messages, public.call_participants, public.call_events, public.leads;

-- ---- what follows from the rows ----

SELECT hookline_older.take_same_names('voice_calls');

-- Metadata is the application's own, and so by hand. The phase has the version that it always has. A duration that the
-- times give, and tokens that the messages give, have none. Lines of a call that is over stay until somebody has it whole.
UPDATE public.voice_calls c
SET transcript_source = CASE WHEN c.phase = 2 AND m.messages > 0 THEN 'app' END,
    total_tokens_used = coalesce(c.total_tokens_used, m.tokens),
    versions = hookline_older.versions(
        ARRAY['phase', 'outcome', 'end_reason', 'session_id', 'room_name', 'call_sid', 'parent_call_sid', 'account_id', 'direction',
              'from_number', 'to_number', 'customer_number', 'started_at', 'connected_at', 'ended_at', 'duration_seconds',
              'recording_url', 'transcript', 'transcript_source', 'summary', 'total_tokens_used', 'cost', 'cost_currency', 'agent_id',
              'agent_name', 'ai_agent_used', 'answered_by', 'metadata', 'recording', 'customer_name', 'customer_email',
              'forwarded_from', 'transferred_to', 'sentiment', 'analysis', 'extracted_fields', 'confirmed'],
        to_jsonb(c) || jsonb_build_object('transcript_source', CASE WHEN c.phase = 2 AND m.messages > 0 THEN 'app' END),
        jsonb_build_object(
            'phase', 2::bigint << 57,
            'metadata', 4::bigint << 57,
            'transcript_source', 2::bigint << 57 | 4, -- better than anything heard live (hearing_t), not than a report
            'duration_seconds', CASE WHEN c.ended_at >= c.connected_at
                                      AND c.duration_seconds = floor(date_part('epoch', c.ended_at - c.connected_at)) THEN 0 END,
            'total_tokens_used', CASE WHEN coalesce(c.total_tokens_used, m.tokens) = coalesce(m.tokens, 0) THEN 0 END))
FROM public.voice_calls o
CROSS JOIN LATERAL (SELECT count(*) AS messages, sum(v.tokens_used) AS tokens FROM public.voice_messages v WHERE v.call_id = o.id) m
WHERE c.versions = '{-1}' AND o.id = c.id;

-- An older lead's call stays its call. (Links by number follow once hookline has looked at the leads.)
INSERT INTO public.lead_calls (lead_id, call_id, learned_by, started_at, call_sid)
SELECT l.id, c.id, 'call_sid', c.started_at, c.call_sid
FROM hookline_older.moved m
JOIN public.leads l ON l.id::text = m.new_id
JOIN public.voice_calls c ON c.provider = 'twilio' AND c.provider_call_id = l.call_sid
WHERE m.older_table = 'leads'
ON CONFLICT DO NOTHING;

SELECT hookline_older.carry_values(name, string_agg(quote_ident(column_name), ', ')) FROM hookline_older.carried GROUP BY name;
SELECT hookline_older.carry_rules(name) FROM (SELECT DISTINCT name FROM hookline_older.carried) c;

-- ---- nothing is lost, or nothing is moved ----

CREATE TABLE hookline_older.summary (
    table_name text PRIMARY KEY,
    rows_there bigint NOT NULL,
    rows_taken_over bigint NOT NULL,
    into_table text
);

DO $$
DECLARE
    older record;
    there bigint;
    taken bigint;
BEGIN
    FOR older IN
        SELECT c.relname AS name, (SELECT min(m.new_table) FROM hookline_older.moved m WHERE m.older_table = c.relname) AS ours
        FROM pg_catalog.pg_class c
        WHERE c.relnamespace = 'hookline_older'::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition
          AND c.relname NOT IN ('moved', 'carried', 'words', 'calls', 'summary')
        ORDER BY 1
    LOOP
        EXECUTE format('SELECT count(*) FROM hookline_older.%I', older.name) INTO there;
        taken := 0;
        IF older.ours IS NOT NULL THEN
            EXECUTE format('SELECT count(*) FROM hookline_older.moved m JOIN public.%I t ON t.id::text = m.new_id WHERE m.older_table = %L',
                           older.ours, older.name) INTO taken;
        END IF;
        INSERT INTO hookline_older.summary VALUES (older.name, there, taken, older.ours);
        IF taken <> there AND older.name IN ('users', 'leads', 'businesses', 'customers', 'agents', 'phone_numbers', 'voice_calls', 'voice_messages',
                                             'call_participants', 'call_events', 'conversation_transcripts', 'beyond_calls', 'beyond_call_messages') THEN
            RAISE EXCEPTION 'of % rows of the older table % only % could be taken over: nothing was changed', there, older.name, taken
                USING HINT = format('this is a fault of hookline, which you please report; until it is mended: '
                                    'ALTER TABLE hookline_older.%I RENAME TO …; then run hookline migrate again', older.name);
        ELSIF taken <> there THEN
            RAISE WARNING 'hookline has no rows of that kind to make of hookline_older.%: its % rows stay there', older.name, there;
        END IF;
    END LOOP;

    DROP TABLE hookline_older.carried, hookline_older.words, hookline_older.calls;
    DROP FUNCTION hookline_older.as_uuid, hookline_older.as_bigint, hookline_older.as_integer, hookline_older.as_numeric,
                  hookline_older.as_boolean, hookline_older.as_time, hookline_older.as_object, hookline_older.as_text, hookline_older.as_json,
                  hookline_older.as_role,
                  hookline_older.rows_of, hookline_older.rest, hookline_older.with_rest, hookline_older.versions,
                  hookline_older.carry_columns, hookline_older.carried_of, hookline_older.carry_values,
                  hookline_older.carry_rules, hookline_older.carry_default, hookline_older.take_same_names, hookline_older.skip_ids, hookline_older.next_id, hookline_older.as_word, hookline_older.status_of;
    IF NOT EXISTS (SELECT FROM hookline_older.summary) AND NOT EXISTS (
           SELECT FROM pg_catalog.pg_class c WHERE c.relnamespace = 'hookline_older'::regnamespace AND c.relkind IN ('v', 'm', 'S')) THEN
        DROP SCHEMA hookline_older CASCADE; -- there was nothing older
    ELSE
        RAISE WARNING 'older tables were moved to the schema hookline_older, and their rows taken over: SELECT * FROM hookline_older.summary'
            USING HINT = 'when nobody needs them any more: DROP SCHEMA hookline_older CASCADE (which takes along views and foreign keys that follow them)';
    END IF;
END
$$;
