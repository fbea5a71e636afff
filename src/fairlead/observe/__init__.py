"""Observing: traces and live progress, made from events and the journal. Remove it and nothing else changes."""
