from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.bus.worlds import HAVE_MOSQUITTO, World, world_of

KINDS = [
    "memory",
    pytest.param("mosquitto", marks=pytest.mark.skipif(not HAVE_MOSQUITTO, reason="mosquitto is not installed")),
    "amqtt",
]


@pytest.fixture(params=KINDS)
async def world(request, tmp_path: Path) -> AsyncIterator[World]:
    async with world_of(request.param, tmp_path) as made:
        yield made
