"""Who asks, at AWS: a bearer token for Bedrock, else a signature (Signature Version 4) by the usual credentials.

https://docs.aws.amazon.com/bedrock/latest/userguide/api-keys-use.html
"""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping
from typing import Any

from idembed.errors import ModelError

__all__ = ["AwsCredentials"]

_TOKEN_VARIABLE = "AWS_BEARER_TOKEN_BEDROCK"


class AwsCredentials:
    """Finds the credentials when they are first needed, renews those that expire. Threads may share it."""

    def __init__(self, region: str, environment: Mapping[str, str] | None = None) -> None:
        """``environment``: where a bearer token is looked for (the process's own if None)."""
        self._region = region
        self._environment = os.environ if environment is None else environment
        self._lock = threading.Lock()
        self._found: Any = None

    def headers(self, url: str, body: bytes) -> Mapping[str, str]:
        """The headers that show who asks; a signature holds for this ``url`` and these bytes, and for some minutes.
        Raises ModelError if nothing on this machine says who asks."""
        if token := self._environment.get(_TOKEN_VARIABLE):
            return {"Authorization": f"Bearer {token}"}
        with self._lock:
            if self._found is None:
                self._found = self._find()
        return self._signature(url, body)

    def _find(self) -> Any:
        try:
            import botocore.exceptions
            import botocore.session
        except ImportError as error:
            raise ModelError(
                "Bedrock needs the package botocore, which is not installed",
                hint=f"pip install 'idembed[bedrock]', or set {_TOKEN_VARIABLE} to an API key for Bedrock",
            ) from error
        try:
            found = botocore.session.get_session().get_credentials()
        except botocore.exceptions.BotoCoreError as error:
            raise _missing() from error
        if found is None:
            raise _missing()
        return found

    def _signature(self, url: str, body: bytes) -> Mapping[str, str]:
        from botocore.auth import SigV4Auth
        from botocore.awsrequest import AWSRequest
        from botocore.exceptions import BotoCoreError

        request = AWSRequest("POST", url, data=body)
        try:
            SigV4Auth(self._found.get_frozen_credentials(), "bedrock", self._region).add_auth(request)
        except BotoCoreError as error:
            raise ModelError(
                f"the AWS credentials could not be used ({type(error).__name__})",
                hint="sign in again: aws sso login, or aws configure",
            ) from error
        return dict(request.headers.items())


def _missing() -> ModelError:
    return ModelError(
        "there are no AWS credentials on this machine",
        hint=f"set {_TOKEN_VARIABLE}, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or sign in: aws configure",
    )
