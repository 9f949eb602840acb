"""Secrets out of what is recorded and published: our own credentials, and the shapes detect-secrets knows."""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Iterable
from typing import Any

from detect_secrets.core.plugins.util import get_mapping_from_secret_type_to_class
from detect_secrets.plugins.base import RegexBasedDetector

from watchdogd.core.ids import digest

MARK = "[redacted:{}]"
NO_SECRET = frozenset({"Public IP (ipv4)"})
"""Shapes of the library that name no secret."""
NEEDLES = {
    "AWS Access Key": ("akia", "asia", "abia", "acca", "a3t", "aws"),
    "Cloudant Credentials": ("cloudant", "clou", "cl_", "cl-"),
    "IBM Cloud IAM Key": ("ibm", "cloud"),
    "IBM COS HMAC Credentials": ("cos", "secret"),
    "SoftLayer Credentials": ("softlayer", "sl_", "sl-"),
    "Artifactory Credentials": ("akc", "ap"),
    "Basic Auth Credentials": ("://",),
    "Mailchimp Access Key": ("-us",),
}
"""What must occur (in lower case) for the costly patterns to be tried at all: most texts hold none of it."""
OWN = (
    ("Anthropic API Key", re.compile(r"sk-ant-[A-Za-z0-9_-]{16,}")),
    ("Bearer Token", re.compile(r"(?i)(?<=bearer )[A-Za-z0-9._~+/-]{20,}=*")),
    ("Private Key", re.compile(r"-----BEGIN [A-Z0-9 ]*PRIVATE KEY[A-Z ]*-----[\s\S]{0,16384}?(?:-----END[^\n]*|\Z)")),
)
REMEMBERED = 512
SHORTEST = 8
"""A credential of fewer characters would blank out ordinary words."""


def _shapes() -> list[tuple[str, tuple[str, ...], re.Pattern[str]]]:
    found = []
    kinds: dict[str, Any] = get_mapping_from_secret_type_to_class()
    for name, kind in kinds.items():
        if name in NO_SECRET or name == "Private Key" or not issubclass(kind, RegexBasedDetector):
            continue
        found += [(name, NEEDLES.get(name, ()), pattern) for pattern in kind().denylist]
    return found


class SecretRedactor:
    """Replaces every secret it knows by a mark that says what it was."""

    def __init__(self, own: Iterable[str] = ()) -> None:
        self._own = sorted({one for one in own if len(one) >= SHORTEST}, key=len, reverse=True)
        self._shapes = _shapes()
        self._seen: OrderedDict[str, str] = OrderedDict()

    def text(self, text: str) -> str:
        """``text`` without secrets."""
        if len(text) < SHORTEST:
            return text
        key = digest(text) if len(text) > 200 else text
        known = self._seen.get(key)
        if known is not None:
            self._seen.move_to_end(key)
            return text if known == "" else known
        clean = self._clean(text)
        self._seen[key] = "" if clean == text else clean
        if len(self._seen) > REMEMBERED:
            self._seen.popitem(last=False)
        return clean

    def _clean(self, text: str) -> str:
        for one in self._own:
            if one in text:
                text = text.replace(one, MARK.format("our credential"))
        for name, pattern in OWN:
            text = pattern.sub(MARK.format(name), text)
        low = text.lower()
        for name, needles, pattern in self._shapes:
            if needles and not any(needle in low for needle in needles):
                continue
            text = pattern.sub(lambda found, name=name: _marked(found, name), text)  # type: ignore[misc]
        return text


def _marked(found: re.Match[str], name: str) -> str:
    whole = found.group(0)
    secret = next((group for group in found.groups() if group and len(group) >= SHORTEST), whole)
    return whole.replace(secret, MARK.format(name))
