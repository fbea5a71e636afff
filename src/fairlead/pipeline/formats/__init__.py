"""Readers, one module per family of formats: from bytes to blocks of readable text, or a clear refusal."""
