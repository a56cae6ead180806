"""The worker: `streamrnn run` in a process of its own, watched, and started again when it dies."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from streamrnn.errors import TransportError

STOP_SECONDS = 30.0


class Worker:
    """`streamrnn run CONFIG`, its output in `log`, its process id in a file beside it.

    A worker that an earlier demo left behind (because that demo was killed itself) is ended first: two
    workers must never share a slot.
    """

    def __init__(self, config: Path, log: Path) -> None:
        self._config = config
        self.log = log
        self._pid_file = log.with_suffix(".pid")
        self._process: subprocess.Popen[bytes] | None = None
        self.starts = 0

    @property
    def pid(self) -> int | None:
        """None while it does not run."""
        return self._process.pid if self._process is not None and self._process.poll() is None else None

    def start(self, arguments: Sequence[str] = ()) -> None:
        if self.starts == 0:
            end_left_over(self._pid_file)
        with self.log.open("ab" if self.starts else "wb") as log:
            # A session of its own: Ctrl-C reaches the demo alone, which ends the worker in order.
            self._process = subprocess.Popen(
                [sys.executable, "-m", "streamrnn", "run", str(self._config), *arguments],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self._pid_file.write_text(json.dumps({"pid": self._process.pid, "config": str(self._config)}))
        self.starts += 1

    def supervise(self) -> None:
        """Starts it again if a signal killed it; raises TransportError if it gave up by itself."""
        if self._process is None or self._process.poll() is None:
            return
        code = self._process.returncode
        if code >= 0:
            raise TransportError(
                f"the worker ended with exit code {code}: {self._last_words()} (log: {self.log})"
            )
        self.start()

    def kill(self) -> None:
        """kill -9, as a crash would."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def stop(self) -> None:
        """Asks it to finish its batch, commit and snapshot; kills it if that takes too long."""
        if self._process is None:
            return
        try:
            self._process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(STOP_SECONDS)
        finally:
            self._process.kill()
            self._process.wait()
            self._pid_file.unlink(missing_ok=True)
        self._process = None

    def _last_words(self) -> str:
        lines = self.log.read_text(errors="replace").strip().splitlines()
        return lines[-1] if lines else "it said nothing"


def end_left_over(pid_file: Path) -> None:
    """Kills the worker that the file names, if it still is one."""
    if not pid_file.exists():
        return
    entry = json.loads(pid_file.read_text() or "{}")
    deadline = time.monotonic() + STOP_SECONDS
    while entry and _is_worker(entry["pid"], entry["config"]):
        if time.monotonic() > deadline:
            raise TransportError(f"the left-over worker (process {entry['pid']}) does not end")
        os.kill(entry["pid"], signal.SIGKILL)
        time.sleep(0.05)
    pid_file.unlink(missing_ok=True)


def _is_worker(pid: int, config: str) -> bool:
    """True if the process runs that configuration, and is not a later one with the same number."""
    try:
        command = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return False
    return b"streamrnn" in command and b"run" in command and config.encode() in command
