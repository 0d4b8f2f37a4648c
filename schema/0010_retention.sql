-- Whether any agent of a provider is a business's. Runs once, in one transaction.
CREATE INDEX business_agents_provider ON public.business_agents (provider);
