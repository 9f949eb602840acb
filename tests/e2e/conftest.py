from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.e2e.daemon import Daemon, running


@pytest.fixture(scope="session")
def in_trouble(request, tmp_path_factory) -> Iterator[Daemon]:
    """A daemon whose provider misbehaves; it spends a minute in back-off pauses, beside whatever else is tested."""
    with running(tmp_path_factory.mktemp("provider") / "d", scenario="provider-trouble") as daemon:
        yield daemon


@pytest.fixture(scope="session", autouse=True)
def _early(request) -> None:
    """Starts that daemon with the first test, when its own tests are among those to be run."""
    if any("in_trouble" in getattr(item, "fixturenames", ()) for item in request.session.items):
        request.getfixturevalue("in_trouble")
