"""Word vectors: trained here or read from the usual files, asked for neighbours, and made into vectors of texts."""

from __future__ import annotations

__all__: list[str] = []
