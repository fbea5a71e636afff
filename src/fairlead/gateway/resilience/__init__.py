"""What keeps calls going when providers falter: retries by error class, breakers, rate limits."""
