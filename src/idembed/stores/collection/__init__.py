"""Vector databases without transactions: each generation is one collection that is whole (engine.py)."""
