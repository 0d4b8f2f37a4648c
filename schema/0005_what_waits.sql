-- A lead whose number has changed and which hookline has not looked at since: see repeatable_phone.sql. Runs once.
ALTER TABLE public.leads ADD COLUMN number_pending_since timestamptz;
CREATE INDEX leads_number_pending ON public.leads (id) WHERE number_pending_since IS NOT NULL;
UPDATE public.leads SET number_pending_since = now() WHERE phone IS NOT NULL;
