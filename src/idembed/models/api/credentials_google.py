"""Who asks, at Google Cloud: an OAuth token of this machine's default credentials.

https://cloud.google.com/docs/authentication/application-default-credentials
"""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping
from typing import Any

from idembed.errors import ModelError

__all__ = ["GoogleCredentials"]

_SCOPE = "https://www.googleapis.com/auth/cloud-platform"
_TOKEN_VARIABLES = ("GOOGLE_OAUTH_ACCESS_TOKEN", "CLOUDSDK_AUTH_ACCESS_TOKEN")
_SIGN_IN = "sign in: gcloud auth application-default login"


class GoogleCredentials:
    """Finds the credentials when they are first needed, and a new token whenever the old one is about to expire.
    Threads may share it."""

    def __init__(self, environment: Mapping[str, str] | None = None) -> None:
        """``environment``: where a ready token is looked for (the process's own if None)."""
        self._environment = os.environ if environment is None else environment
        self._lock = threading.Lock()
        self._found: Any = None
        self._http: Any = None

    def headers(self, url: str, body: bytes) -> Mapping[str, str]:
        """The headers that show who asks. Raises ModelError if nothing on this machine says so."""
        for variable in _TOKEN_VARIABLES:
            if token := self._environment.get(variable):
                return {"Authorization": f"Bearer {token}"}
        with self._lock:
            if self._found is None:
                self._find()
            return self._fresh(url)

    def _find(self) -> None:
        try:
            import google.auth
            import google.auth.transport.requests
        except ImportError as error:
            raise ModelError(
                "Vertex AI needs the package google-auth, which is not installed",
                hint=f"pip install 'idembed[vertex]', or set {_TOKEN_VARIABLES[0]} to a token",
            ) from error
        try:
            self._found, _ = google.auth.default(scopes=[_SCOPE])
        except google.auth.exceptions.GoogleAuthError as error:
            raise ModelError(
                "there are no Google Cloud credentials on this machine",
                hint=f"{_SIGN_IN}, or set GOOGLE_APPLICATION_CREDENTIALS to the file of a service account",
            ) from error
        self._http = google.auth.transport.requests.Request()

    def _fresh(self, url: str) -> Mapping[str, str]:
        import google.auth.exceptions

        headers: dict[str, str] = {}
        try:
            self._found.before_request(self._http, "POST", url, headers)
        except google.auth.exceptions.GoogleAuthError as error:
            raise ModelError(
                f"the Google Cloud credentials gave no token ({type(error).__name__})", hint=_SIGN_IN
            ) from error
        return {"Authorization" if name.lower() == "authorization" else name: value for name, value in headers.items()}
