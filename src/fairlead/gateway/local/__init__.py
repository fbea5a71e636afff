"""The local tier: what really works on a laptop without a key or a network, and an honest refusal of the rest."""
