"""Fairlead runs a fleet of AI agents as a dependable system."""
