"""Keys: from the environment, or from a keyring. They are never logged, shown, or written."""

from __future__ import annotations

import hashlib
import os
import re
from collections import deque
from collections.abc import Callable, Mapping
from typing import Protocol
from urllib.parse import urlsplit

from idembed.errors import ApiError
from idembed.models.api.adapter import Adapter, Settings

__all__ = ["Credential", "KeyCredential", "MachineCredential", "credential_for", "key_variables"]

_FOUND = re.compile(r"[!-~]+")
_PIECE = 8
"""So many characters of a key give it away."""


class Credential(Protocol):
    """What shows a provider who asks."""

    @property
    def hash(self) -> str:
        """What tells keys apart without giving them away."""
        ...

    def headers(self, url: str, body: bytes) -> Mapping[str, str]:
        """The headers to send with a request. Raises ModelError that says what to set."""
        ...

    @property
    def advice(self) -> str:
        """What to do when it is not accepted."""
        ...

    def without(self, text: str) -> str:
        """``text`` without the key, should somebody have put it there, or any part of it that gives it away."""
        ...


class KeyCredential:
    """A key, or none."""

    def __init__(self, adapter: Adapter, key: str | None, advice: str = "") -> None:
        self._adapter = adapter
        self._key = key
        self.advice = advice

    @property
    def hash(self) -> str:
        """What tells keys apart without giving them away."""
        return hashlib.sha256(b"idembed\0" + (self._key or "").encode()).hexdigest()[:16]

    def headers(self, url: str, body: bytes) -> Mapping[str, str]:
        """The key in the header that the provider wants it in."""
        return self._adapter.authorization(self._key) if self._key else {}

    def without(self, text: str) -> str:
        """``text`` without the key and without any eight characters of it: providers show pieces of keys."""
        return _without(text, self._key) if self._key else text

    def __repr__(self) -> str:
        return "KeyCredential(***)"


def key_variables(adapter: Adapter, settings: Settings) -> tuple[str, ...]:
    """The environment variables that the key may be in. A server that anybody may name gets only the key that is meant
    for its host: an index from elsewhere must not be able to send a key to where it likes."""
    if adapter.provider != "compatible":
        return adapter.key_variables
    parts = urlsplit(settings.endpoint)
    host = (parts.hostname or "").upper().replace("-", "__")  # no two hosts may share a key
    port = f"_PORT{parts.port}" if parts.port else ""
    return (f"IDEMBED_KEY_{re.sub('[^A-Z0-9_]', '_', host)}{port}",)


class MachineCredential:
    """What the credentials of Google or AWS on this machine make: a token, or a signature."""

    def __init__(self, kind: str, headers: Callable[[str, bytes], Mapping[str, str]], advice: str = "") -> None:
        self._kind = kind
        self._headers = headers
        self._tokens: deque[str] = deque(maxlen=8)
        self.advice = advice

    @property
    def hash(self) -> str:
        """One account a machine."""
        return self._kind

    def headers(self, url: str, body: bytes) -> Mapping[str, str]:
        """A token, or a signature of this request."""
        made = self._headers(url, body)
        for name, value in made.items():
            token = value.removeprefix("Bearer ")
            if (token != value or name.lower() == "x-amz-security-token") and token not in self._tokens:
                self._tokens.append(token)
        return made

    def without(self, text: str) -> str:
        """``text`` without the tokens that were sent lately, and any eight characters of one."""
        for token in tuple(self._tokens):
            text = _without(text, token)
        return text


def _without(text: str, secret: str) -> str:
    if len(secret) <= _PIECE:
        return text.replace(secret, "***")
    pieces = {secret[at : at + _PIECE] for at in range(len(secret) - _PIECE + 1)}
    shown, at = [], 0
    while at < len(text):
        end = at
        while text[end : end + _PIECE] in pieces:
            end += 1
        if end > at:
            shown.append("***")
            at = end + _PIECE - 1
        else:
            shown.append(text[at])
            at += 1
    return "".join(shown)


def credential_for(adapter: Adapter, settings: Settings) -> Credential:
    """The key of a provider, or what stands for one. Raises ApiError that names the variables to set."""
    if adapter.credential == "google":
        from idembed.models.api.credentials_google import GoogleCredentials

        advice = "sign in again: gcloud auth application-default login; or set GOOGLE_OAUTH_ACCESS_TOKEN anew"
        return MachineCredential("google", GoogleCredentials().headers, advice)
    if adapter.credential == "aws":
        from idembed.models.api.credentials_aws import AwsCredentials

        advice = "sign in again: aws sso login; or set AWS_BEARER_TOKEN_BEDROCK to another key"
        return MachineCredential("aws", AwsCredentials(settings.extra["region"]).headers, advice)
    variables = key_variables(adapter, settings)
    for variable in variables:
        if key := os.environ.get(variable, "").strip():
            if not _FOUND.fullmatch(key):
                raise ApiError(
                    f"the key in {variable} has characters that no key has (white space, or not ASCII)",
                    hint="copy it again",
                    provider=adapter.provider,
                    variable=variable,
                )
            return KeyCredential(adapter, key, f"it was taken from {variable}: export {variable}=… sets another")
    if kept := _from_keyring(adapter.provider):
        again = f"keyring set idembed {adapter.provider}"
        return KeyCredential(adapter, kept, f"it was taken from the keyring: {again} sets another")
    if adapter.needs_key:
        raise ApiError(
            f"there is no key for {adapter.title}: {' and '.join(variables)} {'is' if len(variables) == 1 else 'are'} "
            "not set",
            hint=f"set it: export {variables[0]}=…; or keep it in the keyring: keyring set idembed {adapter.provider}",
            provider=adapter.provider,
            variable=variables[0],
        )
    return KeyCredential(adapter, None, f"none was sent: export {variables[0]}=…")


def _from_keyring(provider: str) -> str | None:
    """What the keyring has under ``idembed``, if there is one."""
    if provider == "compatible":
        return None
    try:
        import keyring

        found = keyring.get_password("idembed", provider)
    except Exception:  # not installed, or locked, or without a backend
        return None
    return found.strip() if found else None
