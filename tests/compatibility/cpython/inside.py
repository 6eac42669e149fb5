"""Runs one module of CPython's tests in the sandbox, and prints what came of
each test as a line: `MARK outcome name reason`.

A line for each, at once: a module that ends early has its results so far.
"""

import sys
import unittest

import compression._common._streams

MARK = "\x01"
out = sys.stdout


def say(outcome, name, reason=""):
    reason = str(reason).strip().replace("\n", " | ")
    print(f"{MARK}{outcome}\t{name}\t{reason[-300:]}", file=out, flush=True)


class Result(unittest.TestResult):
    """Says each outcome."""

    def addSuccess(self, test):
        say("passed", test.id())

    def addSkip(self, test, reason):
        say("skipped", test.id(), reason)

    def addExpectedFailure(self, test, error):
        say("passed", test.id())

    def addUnexpectedSuccess(self, test):
        say("failed", test.id(), "unexpected success")

    def addError(self, test, error):
        say("failed", test.id(), self._exc_info_to_string(error, test))

    addFailure = addError

    def addSubTest(self, test, subtest, error):
        if error is not None:
            # Counted with its test, which does not pass then.
            say("failed", test.id(), self._exc_info_to_string(error, test))


def main(name):
    import test.support

    test.support.verbose = 0
    # What takes gigabytes, the network, a display or minutes is left out.
    test.support.use_resources = []
    if name.startswith("test_asyncio"):
        # Taken for granted by the package, and not needed by all of it.
        test.support.has_socket_support = True
    # The name that it had one version before.
    sys.modules["_compression"] = compression._common._streams
    try:
        suite = unittest.defaultTestLoader.loadTestsFromName(f"test.{name}")
    except unittest.SkipTest as reason:
        say("skipped", name, reason)
        return
    suite.run(Result())
    say("finished", name)


main(sys.argv[1])
