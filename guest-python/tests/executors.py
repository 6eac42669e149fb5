"""Executors run what they are given, in turn, and say so once."""

import asyncio
from concurrent.futures import (
    ProcessPoolExecutor,
    ThreadPoolExecutor,
    as_completed,
    wait,
)

import mcp_tools.demo

with ThreadPoolExecutor(max_workers=4) as pool:
    print(list(pool.map(pow, [1, 2, 3], [2, 2, 2])))
    futures = [pool.submit(divmod, 7, n) for n in (2, 0)]
    print([type(each.exception()).__name__ for each in futures], futures[0].result())
    print(len(list(as_completed(futures))), len(wait(futures).done))
    print(pool.submit(mcp_tools.demo.get_order, 1).result()["id"])
try:
    pool.submit(print)
except RuntimeError as error:
    print(error)
with ProcessPoolExecutor() as pool:
    print(list(pool.map(str, range(5), chunksize=2)))
loop = asyncio.get_running_loop()
print(
    await asyncio.gather(
        asyncio.to_thread(sum, [1, 2]),
        loop.run_in_executor(None, max, 3, 4),
        loop.run_in_executor(ThreadPoolExecutor(), min, 3, 4),
    )
)
