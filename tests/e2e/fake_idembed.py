"""``idembed`` with the fake model of the unit tests, as a process: ``python fake_idembed.py COMMAND …``.

One model is called new; any other name loads the same one.

``FAKE_PAUSE``: seconds that every batch takes.
"""

import os
import sys
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1] / "unit"))

from fake_models import FakeModel

from idembed import models
from idembed.cli import main


class SlowModel(FakeModel):
    def embed(self, *arguments: Any, **options: Any) -> Any:
        time.sleep(float(os.environ.get("FAKE_PAUSE", "0")))
        return super().embed(*arguments, **options)


models.load = lambda name, *_, **__: SlowModel("new" if name == "new" else "fake")  # type: ignore[assignment]
sys.exit(main())
