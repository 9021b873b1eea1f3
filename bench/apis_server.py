"""The fake OpenAI of tests/fakes in a process of its own: its address on the first line, then for each line of JSON
that comes in ({"set": …} or {"count": …}) a line of JSON that goes out."""

from __future__ import annotations

import json
import random
import sys
from collections import Counter
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

from fakes.api import FakeApi
from fakes.faults import KINDS, Faults

STALL_SECONDS = 2.0
RETRY_AFTER = 1.0


def set_up(
    fake: FakeApi,
    *,
    seed: int,
    faults: float,
    latency: float,
    requests_per_minute: float | None = None,
    tokens_per_minute: float | None = None,
    burst: float = 60.0,
) -> None:
    """Forget what was asked. From now on ``faults`` of the requests fail, in all ways alike often."""
    fake.requests.clear()
    fake.limits.clear()
    if tokens_per_minute:
        fake.limit("openai", requests_per_minute=requests_per_minute, tokens_per_minute=tokens_per_minute, burst=burst)
    fake.latency, fake.stall_seconds, fake.retry_after = latency, STALL_SECONDS, RETRY_AFTER
    fake.faulty = Faults(random.Random(seed))
    fake.faults(**dict.fromkeys(KINDS, faults / len(KINDS)))


def counts(fake: FakeApi) -> dict[str, Any]:
    """What was asked since: ``charged`` tokens are those of requests that were let in, answered well or not."""
    requests = list(fake.requests)
    return {
        "requests": len(requests),
        "refused": sum(request.status == 429 and not request.fault for request in requests),
        "too_large": sum(request.status == 400 for request in requests),
        "faults": dict(Counter(request.fault for request in requests if request.fault)),
        "charged": sum(request.tokens for request in requests if request.status == 200),
    }


def main() -> None:
    with FakeApi() as fake:
        print(json.dumps({"url": fake.base("openai"), "key": fake.key}), flush=True)
        for line in sys.stdin:
            command = json.loads(line)
            if "set" in command:
                set_up(fake, **command["set"])
            print(json.dumps(counts(fake)), flush=True)


if __name__ == "__main__":
    main()
