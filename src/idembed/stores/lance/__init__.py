"""LanceDB behind the verbs of collection/engine.py: a folder, or a place in an object store, of one index."""
