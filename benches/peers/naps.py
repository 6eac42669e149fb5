"""The tools that programs call, without any protocol: `noop` answers at once,
`nap` after 10 ms, `table` with two megabytes of JSON text."""

import heapq
import time

from lines import NAP


class Tools:
    """Answers calls; those of `nap` wait here until their time has come."""

    def __init__(self, table):
        self.table = table
        self.waiting = []

    def call(self, key, name):
        """The answer, or nothing: then `due` has it later."""
        if name == "nap":
            heapq.heappush(self.waiting, (time.monotonic() + NAP, key))
            return None
        return {"noop": "1", "table": self.table}[name]

    def until(self):
        """When the next answer is due, if any."""
        return self.waiting[0][0] if self.waiting else None

    def due(self):
        """The calls whose answer, `1`, is due."""
        now = time.monotonic()
        while self.waiting and self.waiting[0][0] <= now:
            yield heapq.heappop(self.waiting)[1]
