"""Does a model repeat itself? A local one must give the same bytes however it is asked; of an API it is measured how
much its answers differ, and whether they are those of the model that was measured before."""

from __future__ import annotations

from idembed.models.prove.api import ApiProof, prove_api
from idembed.models.prove.local import LocalProof, prove_local
from idembed.models.prove.tally import Way

__all__ = ["ApiProof", "LocalProof", "Way", "prove_api", "prove_local"]
