"""Qdrant: a server, or a folder opened by its embedded engine, as one kind of database."""
