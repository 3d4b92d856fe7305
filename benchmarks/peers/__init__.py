"""The peers. Each file says what was tried to make it fast; the fastest found is what runs."""
