"""Sessions of `pydantic-monty`, each in a worker process of its pool."""

import asyncio
import sys

from pydantic_monty import AsyncMonty, CollectString, Monty

import host

# As many as are kept at once, and some more.
POOL = {"max_processes": 64}


async def nap():
    await asyncio.sleep(0.01)
    return 1


def tools():
    return {"noop": lambda x: 1, "table": lambda: host.TABLE}


class Blocking:
    """For programs whose calls are answered at once."""

    pool = None

    def __init__(self):
        if Blocking.pool is None:
            Blocking.pool = Monty(**POOL).__enter__()
        self.session = Blocking.pool.checkout().__enter__()

    def run(self, code):
        printed = CollectString()
        lookup = tools()
        self.session.feed_run(code, print_callback=printed, external_lookup=lookup)
        return printed.output

    def close(self):
        self.session.__exit__(None, None, None)


class Waiting:
    """For programs that have several calls at once, which needs an event loop."""

    def __init__(self):
        self.loop = asyncio.new_event_loop()
        self.pool = self.loop.run_until_complete(self.enter(AsyncMonty(**POOL)))
        self.session = self.loop.run_until_complete(self.enter(self.pool.checkout()))

    async def enter(self, manager):
        return await manager.__aenter__()

    def run(self, code):
        return self.loop.run_until_complete(self.feed(code))

    async def feed(self, code):
        printed = CollectString()
        lookup = {**tools(), "nap": nap}
        await self.session.feed_run(
            code, print_callback=printed, external_lookup=lookup
        )
        return printed.output

    def close(self):
        async def leave():
            await self.session.__aexit__(None, None, None)
            await self.pool.__aexit__(None, None, None)

        self.loop.run_until_complete(leave())
        self.loop.close()


class Session:
    """One of both, as its first program needs it."""

    kind = None

    def run(self, code):
        if self.kind is None:
            self.kind = Waiting() if "await" in code else Blocking()
        return self.kind.run(code)

    def close(self):
        if self.kind is not None:
            self.kind.close()


def fresh(code):
    session = Blocking()
    try:
        return session.run(code)
    finally:
        session.close()


def open():
    return Session()


def run(session, code):
    return session.run(code)


def close(session):
    session.close()


if __name__ == "__main__":
    host.main(sys.modules[__name__])
