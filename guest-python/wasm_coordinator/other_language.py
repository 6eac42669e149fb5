"""Programs in another language that were sent as Python.

Python's own message is about a letter that it does not know, which helps
nobody: what is wrong is the language that was asked for.
"""

import linecache
import re

# What no line of Python begins with or has. One is a sign; a syntax error has
# to have one of these, in any line.
_SIGNS = re.compile(
    r"""
    ^\s*(?:export\s+)?(?:const|let|var)\s+[\w$\[{]   # const x = 1
    | ^\s*(?:export\s+)?(?:async\s+)?function\b\s*\*?\s*[\w$]*\s*\(
    | ^\s*export\s+[\w{*]
    | ^\s*import\s+(?:[\w$*{][^"']*\sfrom\s+)?["']       # import x from "y"
    | ^\s*(?:if|for|while|switch)\s*\(.*\)\s*\{\s*$
    | ^\s*(?:interface\s+\w+|enum\s+\w+|type\s+\w+\s*=)\s*\{
    | ^\s*\}\s*(?:else\b.*|catch\b.*|finally\s*)\{\s*$
    | ^\s*\}\);
    | ^\s*//
    | (?:\([\w\s,]*\)|[(=,]\s*\w+)\s*=>\s*[\w$({\[]
    | \bconsole\.(?:log|error|warn|info)\s*\(
    | \bnew\s+[A-Z]\w*\s*\(
    | \bawait\s+import\s*\(
    | `[^`\n]*\$\{
    | [\w)\]]\s(?:===|!==)\s[\w("'\[-]
    """,
    re.VERBOSE | re.MULTILINE,
)

_NAMES = {
    "console",
    "JSON",
    "Math",
    "Object",
    "Array",
    "Promise",
    "Date",
    "undefined",
    "callTool",
    "searchTools",
    "require",
}

# Words of JSON, in a program that is Python otherwise.
_WORDS = {"true": "True", "false": "False", "null": "None"}

_JAVASCRIPT = (
    "this looks like JavaScript and was run as Python: "
    "say that its language is `javascript` or `typescript`"
)

# Text that is looked at.
_MAX_LOOKED_AT = 100_000


def hint(error, program):
    """What to do if the program is in another language, or None."""
    if isinstance(error, SyntaxError) and error.filename == program:
        source = "".join(linecache.cache.get(program, (0, None, []))[2])
        if _SIGNS.search(source[:_MAX_LOOKED_AT]):
            return _JAVASCRIPT
    elif isinstance(error, NameError) and isinstance(error.name, str):
        if error.name in _WORDS:
            word = _WORDS[error.name]
            return f"`{error.name}` is written `{word}` in Python"
        if error.name in _NAMES:
            return _JAVASCRIPT
    return None
