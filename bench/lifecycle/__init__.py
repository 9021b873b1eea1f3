"""Tools that keep a vector index in step with a source, each behind the same few verbs (peer.py)."""
