"""The index: sources planned against what a store holds, embedded, kept, searched."""

from idembed.index.at_hand import DEFAULT_MODEL
from idembed.index.index import Index
from idembed.index.plan import Plan
from idembed.index.report import Progress, Report

__all__ = ["DEFAULT_MODEL", "Index", "Plan", "Progress", "Report"]
