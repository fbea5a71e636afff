"""What keeps calls going when providers falter: retries by error class, rate limits."""
