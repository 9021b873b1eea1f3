"""Milvus: collections of records behind collection/engine.py, for a cluster as for ``milvus-lite server``."""
