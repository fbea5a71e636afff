"""Training of the models that ship, from openly licensed sets; not needed to use them."""
