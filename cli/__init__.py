"""The command line: one module a command; the only place that prints, prompts or reads the environment."""
