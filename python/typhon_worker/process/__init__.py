"""The processes: the launcher, and what every worker process has whatever its interface."""
