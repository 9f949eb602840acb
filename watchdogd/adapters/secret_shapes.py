"""The shapes of secrets that detect-secrets knows, as plain values for the core."""

from __future__ import annotations

import re
from typing import Any

from detect_secrets.core.plugins.util import get_mapping_from_secret_type_to_class
from detect_secrets.plugins.base import RegexBasedDetector

from watchdogd.adapters.redaction import NEEDLES, NO_SECRET
from watchdogd.core.detect.shapes import SHORTEST_WORD, Shape

MORE_NEEDLES = {
    "Azure Storage Account access key": ("accountkey=",),
    "Discord Bot Token": (".",),
    "GitHub Token": ("ghp_", "gho_", "ghu_", "ghs_", "ghr_"),
    "GitLab Token": (
        "glpat-",
        "gldt-",
        "glft-",
        "glsoat-",
        "glrt-",
        "gr1348941",
        "glcbt-",
        "glimt-",
        "glptt-",
        "glagent-",
        "gloas-",
    ),
    "JSON Web Token": ("eyj",),
    "NPM tokens": ("_authtoken",),
    "OpenAI Token": ("t3blbkfj",),
    "PyPI Token": ("pypi-age",),
    "SendGrid API Key": ("sg.",),
    "Slack Token": ("xox", "hooks.slack.com"),
    "Square OAuth Secret": ("sq0csp-",),
    "Stripe Access Key": ("k_live_",),
    "Telegram Bot Token": (":",),
}  # fmt: skip
"""What must occur (in lower case) beside the needles of redaction."""

SHORTEST = {
    "AWS Access Key": 20,
    "Azure Storage Account access key": 99,
    "Cloudant Credentials": 24,
    "Discord Bot Token": 55,
    "GitHub Token": 40,
    "GitLab Token": 25,
    "IBM COS HMAC Credentials": 48,
    "IBM Cloud IAM Key": 44,
    "Mailchimp Access Key": 36,
    "OpenAI Token": 51,
    "PyPI Token": 88,
    "SendGrid API Key": 69,
    "SoftLayer Credentials": 64,
    "Square OAuth Secret": 50,
    "Stripe Access Key": 32,
    "Telegram Bot Token": 44,
}
"""Characters without white space that a secret of a shape has at least, where that is more than 16."""

VALUES = {
    "AWS Access Key": ("aws.", 40, ""),
    "Cloudant Credentials": ("(?:cloudant|", 24, ""),
    "Discord Bot Token": ("[MNO]", 27, "."),
    "IBM COS HMAC Credentials": ("(?:secret", 48, ""),
    "IBM Cloud IAM Key": ("ibm(?:_|-|)cloud", 44, ""),
    "SoftLayer Credentials": ("softlayer", 64, ""),
    "Telegram Bot Token": (":", 35, ":"),
}
"""A piece of those patterns in which the telling part stands before a long value, that value's length
(``Shape.value``), and what stands between them (``Shape.signs``)."""

LOOSE = frozenset(
    {"Artifactory Credentials", "Twilio API Key", "Basic Auth Credentials", "Private Key", "JSON Web Token"}
)
"""Shapes that also fit ordinary hashes and addresses, or that the core has of its own."""


def known_shapes() -> tuple[Shape, ...]:
    """Every shape of the library that is telling enough to raise an alarm."""
    found = []
    kinds: dict[str, Any] = get_mapping_from_secret_type_to_class()
    for name, kind in sorted(kinds.items()):
        if name in NO_SECRET or name in LOOSE or not issubclass(kind, RegexBasedDetector):
            continue
        all_needles = MORE_NEEDLES.get(name) or NEEDLES.get(name, ())
        for pattern in kind().denylist:
            spelt = _spelt(pattern)
            needles = tuple(one for one in all_needles if one in spelt.lower()) or all_needles
            piece, value, signs = VALUES.get(name, ("", 0, ""))
            named = bool(piece) and piece in spelt
            found.append(
                Shape(
                    name=name,
                    pattern=spelt,
                    needles=needles,
                    shortest=SHORTEST.get(name, SHORTEST_WORD),
                    value=value if named else 0,
                    signs=signs if named else "",
                )
            )
    return tuple(found)


def _spelt(pattern: re.Pattern[str]) -> str:
    """``pattern`` as text, its flags inside."""
    flags = "i" if pattern.flags & re.IGNORECASE else ""
    return f"(?{flags}:{pattern.pattern})" if flags else pattern.pattern
