"""Words and sentences: what every analyser stands on."""
