"""What all hosts of a Python library have in common: they read one request a
line, and answer it with the times that it took, in milliseconds.

    HOST.py TABLE            reads requests; TABLE is what the tool `table` answers
    HOST.py --once SCRIPT    runs one script in a new sandbox

A host gives four functions. `fresh(code)` runs a program in a new sandbox,
`open()` makes a session, `run(session, code)` runs a program there, and
`close(session)` ends it; both that run answer with what the program printed.
"""

import json
import sys
import time

# A peer that takes longer for one run is not asked for a second one.
SLOW = 3.0

# The answer of the tool `table`.
TABLE = ""


def main(peer):
    global TABLE
    if sys.argv[1] == "--once":
        with open(sys.argv[2], encoding="utf-8") as file:
            sys.stdout.write(peer.fresh(file.read()))
        return
    with open(sys.argv[1], encoding="utf-8") as file:
        TABLE = file.read()
    peer.kept = []
    # Nothing else may get into the answers.
    answers, sys.stdout = sys.stdout, sys.stderr
    for line in sys.stdin:
        try:
            answer = respond(peer, json.loads(line))
        except Exception as error:
            answer = {"error": f"{type(error).__name__}: {error}"[-300:]}
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


def respond(peer, request):
    code, prints = request["code"], request["prints"]

    def fresh():
        check(peer.fresh(code), prints)

    if request["do"] == "fresh":
        return {"samples": series(fresh, request["count"], request["budget"])}
    if request["do"] == "rate":
        return rate(fresh, request["budget"])
    if request["do"] == "live":
        session = peer.open()
        try:

            def run():
                check(peer.run(session, code), prints)

            return {"samples": series(run, request["count"], request["budget"])}
        finally:
            peer.close(session)
    if request["do"] == "keep":
        for _ in range(request["count"]):
            session = peer.open()
            check(peer.run(session, code), prints)
            peer.kept.append(session)
        return {}
    raise ValueError(f"unknown request `{request['do']}`")


def check(output, prints):
    if output.strip() != prints:
        raise ValueError(f"it printed `{output[:100]}` instead of `{prints}`")


def series(work, count, budget):
    """Times of a few runs, after one that does not count."""
    first = timed(work)
    if first > SLOW * 1e3:
        return [first]
    until = time.perf_counter() + budget
    samples = [timed(work)]
    while len(samples) < count and time.perf_counter() < until:
        samples.append(timed(work))
    return samples


def timed(work):
    began = time.perf_counter()
    work()
    return (time.perf_counter() - began) * 1e3


def rate(work, budget):
    began = time.perf_counter()
    runs = 0
    while runs == 0 or time.perf_counter() < began + budget:
        work()
        runs += 1
    return {"runs": runs, "seconds": time.perf_counter() - began}
