"""Turns files, talks and package documentation into knowledge: read, analysed, and composed into a brief with sources.

Owns the reading of formats, the local analysers (no key, no network, no downloads), the brief and its renderings, and
the extractive answers of ``fairlead ask``. Everything here is a function from values to values; what is journaled is
JSON. ``steps`` is the door for workflows. Who may enter: the composition root, the verbs and the faces.
"""
