"""Analysers: each a function from a document to findings with offsets."""
