"""Which model answers: features of a request, what is known of each model, and a pure decision over both."""
