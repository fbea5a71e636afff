"""Takes a brief to where people read: posts that keep to the place's limits, once each."""
