"""Everything in asyncio that programs use, on one loop."""

import asyncio
import sys
import time


async def after(seconds, value):
    await asyncio.sleep(seconds)
    return value


async def many():
    started = time.monotonic()
    got = await asyncio.gather(*(after(0.05, n) for n in range(2000)))
    assert got == list(range(2000))
    assert time.monotonic() - started < 1


async def groups():
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(after(0.001, n)) for n in range(3)]
    print([task.result() for task in tasks])
    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(after(10, None))
            raise ValueError("no")
    except* ValueError as group:
        print(group.exceptions)


async def timeouts():
    for wait in (asyncio.wait_for(after(10, 1), 0.001), asyncio.timeout(0.001)):
        try:
            if hasattr(wait, "__aenter__"):
                async with wait:
                    await after(10, 1)
            else:
                await wait
        except TimeoutError as error:
            print(type(error).__name__)


async def queues():
    queue = asyncio.Queue(1)

    async def produce():
        for n in range(3):
            await queue.put(n)

    async with asyncio.TaskGroup() as group:
        group.create_task(produce())
        print([await queue.get() for _ in range(3)])


async def order():
    print(
        [
            await next_
            for next_ in asyncio.as_completed([after(0.02, 2), after(0.01, 1)])
        ]
    )
    done, pending = await asyncio.wait(
        [asyncio.create_task(after(0.001, 1)), asyncio.create_task(after(5, 2))],
        return_when=asyncio.FIRST_COMPLETED,
    )
    print(len(done), len(pending))
    for task in pending:
        task.cancel()


def nested():
    # Synchronous code in the middle of a task.
    return asyncio.run(after(0.001, "nested"))


def again():
    return asyncio.get_event_loop().run_until_complete(after(0.001, "again"))


async def main():
    await many()
    await groups()
    await timeouts()
    await queues()
    await order()
    print(nested(), again())
    print(await asyncio.to_thread(sum, [1, 2]))
    with asyncio.Runner() as runner:
        print(runner.run(after(0.001, "runner")))
    return sys.argv[1:]


if __name__ == "__main__":
    asyncio.run(main())
