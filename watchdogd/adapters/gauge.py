"""psutil behind the Gauge port."""

from __future__ import annotations

from pathlib import Path

import psutil

from watchdogd.core.events import Resources


class PsutilGauge:
    """Samples this process, its children and the disk that holds ``path``."""

    def __init__(self, path: Path) -> None:
        self._path, self._own = path, psutil.Process()

    def sample(self) -> Resources:
        """What the tree uses now; a child that ended meanwhile counts for nothing."""
        children = self._own.children(recursive=True)
        rss = self._own.memory_info().rss
        for child in children:
            try:
                rss += child.memory_info().rss
            except psutil.Error:
                continue
        return Resources(
            cpu_percent=self._own.cpu_percent(),
            rss_bytes=rss,
            children=len(children),
            open_files=self._own.num_fds(),
            disk_free_bytes=psutil.disk_usage(str(self._path)).free,
        )
