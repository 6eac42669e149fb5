"""What cannot work says what to do instead."""

import asyncio
import importlib.util


def attempt(name, function):
    try:
        function()
    except Exception as error:
        print(f"{name}: {type(error).__name__}: {error}"[:100])


def call(module, code):
    return lambda: exec(f"import {module}\n{code}")


attempt("numpy", lambda: __import__("numpy"))
attempt("unknown", lambda: __import__("no_such_thing"))
attempt("requests", lambda: __import__("requests.sessions"))
attempt("thread", call("threading", "threading.Thread(target=print).start()"))
attempt("process", call("multiprocessing as m", "m.Process(target=print).start()"))
attempt("run", call("subprocess", "subprocess.run(['ls'])"))
attempt("system", call("os", "os.system('ls')"))
attempt("input", input)
attempt("socket", call("socket", "socket.socket()"))
attempt("shell", lambda: asyncio.run(asyncio.create_subprocess_shell("ls")))
print(importlib.util.find_spec("numpy"))
import nest_asyncio  # noqa: E402

nest_asyncio.apply()
