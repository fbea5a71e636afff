"""The engine that carries jobs out: fetch, understand, remember; many at once, each whole or not there.

Owns the worker, its processes for analysis, what becomes of passages in memory, uploads and watches. Who may enter: the
composition root and the verbs.
"""
