-- Rows that wait for hookline, or for their provider. Runs once, in one transaction.

-- A lead whose number has changed and which hookline has not looked at since: see repeatable_leads.sql.
ALTER TABLE public.leads ADD COLUMN number_pending_since timestamptz;
CREATE INDEX leads_number_pending ON public.leads (id) WHERE number_pending_since IS NOT NULL;
UPDATE public.leads SET number_pending_since = now() WHERE phone IS NOT NULL;

-- An application's call, until its session's room is heard of: see repeatable_sessions.sql.
CREATE INDEX voice_calls_waiting ON public.voice_calls (provider, session_id) WHERE provider_call_id IS NULL;
