"""How the exporter talks with the Node process that started it: a JSON object per line, jobs and answers in, events out."""

import json
import os
import sys
import threading
from typing import Any, TextIO


class Refusal(Exception):
    """Why a model is not exported. `code` is one of the package's error codes, without ERR_TOKENLENSE_."""

    def __init__(self, code: str, message: str, hint: str | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.hint = hint


class Channel:
    """The process's own stdout and stdin. What libraries and a model's own code print goes to stderr instead."""

    def __init__(self) -> None:
        self._out: TextIO = os.fdopen(os.dup(1), "w", encoding="utf-8")
        self._lock = threading.Lock()  # downloads report from several threads
        os.dup2(2, 1)

    def send(self, event: str, **fields: Any) -> None:
        with self._lock:
            self._out.write(json.dumps({"event": event, **fields}) + "\n")
            self._out.flush()

    def phase(self, name: str, done: int = 0, total: int = 0, unit: str = "steps") -> None:
        """`total` 0: not known."""
        self.send("phase", phase=name, done=done, total=total, unit=unit)

    def receive(self) -> dict[str, Any] | None:
        """The next line; None where there is none: Node has gone, or has no more jobs."""
        line = sys.stdin.readline()
        return json.loads(line) if line else None
