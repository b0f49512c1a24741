"""A campaign of kills against the whole service; ``python -m tests.campaign`` runs it."""
