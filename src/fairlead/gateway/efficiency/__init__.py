"""Fewer tokens for the same meaning: lossless first, then by choice of sentences, and the original always at hand."""
