"""Runners of asyncio end their own tasks, and nobody else's."""

import asyncio
import contextvars


async def child():
    await asyncio.sleep(0.001)
    return "child"


async def endless(name):
    try:
        await asyncio.sleep(1000)
    except asyncio.CancelledError:
        print("cancelled:", name)
        raise


async def leaves_behind(name):
    asyncio.create_task(endless(name))
    await asyncio.sleep(0)


once = asyncio.Runner()
once.run(asyncio.sleep(0))
once.close()
late = asyncio.Runner()
late.run(leaves_behind("of late"))


async def closes():
    task = asyncio.create_task(child())
    # The second end of one runner, and the first of another, inside of a third.
    once.close()
    late.close()
    return await task


print(asyncio.run(closes()))
try:
    once.run(asyncio.sleep(0))
except RuntimeError as error:
    print(error)


async def cancels_everything():
    await leaves_behind("by all_tasks")
    for task in asyncio.all_tasks():
        if task is not asyncio.current_task():
            task.cancel()
    await asyncio.sleep(0)
    return len(asyncio.all_tasks())


print(asyncio.run(cancels_everything()))
number = contextvars.ContextVar("number", default=0)


async def set_number():
    number.set(7)


async def get_number():
    return number.get()


with asyncio.Runner() as runner:
    runner.run(set_number())
    print(runner.run(get_number()), number.get())
asyncio.run(leaves_behind("of run"))
"the end"
