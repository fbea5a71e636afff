"""Providers: the only place that names vendors. Everything is called through pydantic-ai's clients."""
