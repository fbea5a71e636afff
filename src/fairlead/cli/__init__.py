"""The face in a terminal: parses words, calls a verb, prints. It knows no verb by name."""
