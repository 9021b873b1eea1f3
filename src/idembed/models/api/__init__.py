"""Embedding APIs: one pure adapter a provider, and one transport for all."""
