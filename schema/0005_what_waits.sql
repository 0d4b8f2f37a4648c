-- Rows that wait for hookline, or for their provider; and links that stand by hand. Runs once, in one transaction.

-- A lead whose number has changed and which hookline has not looked at since: see repeatable_leads.sql.
ALTER TABLE public.leads ADD COLUMN IF NOT EXISTS number_pending_since timestamptz;
CREATE INDEX leads_number_pending ON public.leads (id) WHERE number_pending_since IS NOT NULL;
UPDATE public.leads SET number_pending_since = now() WHERE phone IS NOT NULL;

-- What an application wrote into leads.call_sid itself: that call is the lead's, known already or not. And a call that was
-- taken from a lead by hand is not given back to it by its number.
ALTER TABLE public.leads ADD COLUMN IF NOT EXISTS hand_call_sid text COLLATE "C";
CREATE INDEX leads_hand_call_sid ON public.leads (hand_call_sid) WHERE hand_call_sid IS NOT NULL;
ALTER TABLE public.lead_calls ADD COLUMN rejected boolean NOT NULL DEFAULT false;

-- A user's own row waits for a room that this user is in; anybody else's for any room of that name.
ALTER TABLE public.voice_calls ADD COLUMN begun_by_user boolean;

-- An application's call, until its session's room is heard of: see repeatable_sessions.sql.
CREATE INDEX voice_calls_waiting ON public.voice_calls (provider, session_id) WHERE provider_call_id IS NULL;
