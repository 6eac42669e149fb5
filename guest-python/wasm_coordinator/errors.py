"""The errors of tool calls, as programs catch them."""

from weakref import WeakKeyDictionary

from wit_world.imports import types as wit

from .values import from_json


class ToolError(Exception):
    """A tool call has no result.

    `server` and `tool` name the tool, `message` says what happened, `kind` is
    one of `failed`, `invalid_arguments`, `unknown_tool`, `denied`,
    `unavailable`, `timed_out`, `outcome_unknown`, `cancelled`, `limit` and
    `unusable_answer`.
    `parameters` has the names that fit: of the tool's parameters after
    `invalid_arguments`, of tools after `unknown_tool`.
    `code` is that of a JSON-RPC error and `data` what the server said for
    programs, the structured part of a result that is an error included; None
    where there is none.
    """

    def __init__(
        self,
        message,
        server="",
        tool="",
        kind="failed",
        parameters=(),
        code=None,
        data=None,
    ):
        super().__init__(message)
        self.message = message
        self.server = server
        self.tool = tool
        self.kind = kind
        self.parameters = list(parameters)
        self.code = code
        self.data = data

    def __str__(self):
        return self.message

    def __reduce__(self):
        return type(self), (
            self.message,
            self.server,
            self.tool,
            self.kind,
            self.parameters,
            self.code,
            self.data,
        )


class ToolArgumentError(ToolError):
    """The arguments do not fit the tool."""


class UnknownToolError(ToolError):
    """There is no such server or tool."""


class ToolDenied(ToolError):
    """The policy does not allow the call; nothing was sent."""


class ToolUnavailable(ToolError):
    """The server could not be started or reached; nothing was sent."""


class ToolTimeout(ToolError, TimeoutError):
    """The call did not finish in its time. It may have taken effect."""


class ToolOutcomeUnknown(ToolError):
    """The connection was lost. The call may have taken effect."""


class ToolCancelled(ToolError):
    """The call was cancelled."""


class ToolLimit(ToolError):
    """A limit of the session refused the call; nothing was sent."""


class ToolUnusableAnswer(ToolError):
    """The call took effect, and its answer cannot be passed on."""


NAMES = (
    ToolError,
    ToolArgumentError,
    UnknownToolError,
    ToolDenied,
    ToolUnavailable,
    ToolTimeout,
    ToolOutcomeUnknown,
    ToolCancelled,
    ToolLimit,
    ToolUnusableAnswer,
)

_KINDS = {
    wit.CallErrorKind_Failed: ("failed", ToolError),
    wit.CallErrorKind_InvalidArguments: ("invalid_arguments", ToolArgumentError),
    wit.CallErrorKind_UnknownTool: ("unknown_tool", UnknownToolError),
    wit.CallErrorKind_Denied: ("denied", ToolDenied),
    wit.CallErrorKind_Unavailable: ("unavailable", ToolUnavailable),
    wit.CallErrorKind_TimedOut: ("timed_out", ToolTimeout),
    wit.CallErrorKind_OutcomeUnknown: ("outcome_unknown", ToolOutcomeUnknown),
    wit.CallErrorKind_Cancelled: ("cancelled", ToolCancelled),
    wit.CallErrorKind_Limit: ("limit", ToolLimit),
    wit.CallErrorKind_UnusableAnswer: ("unusable_answer", ToolUnusableAnswer),
}

for _error in NAMES:
    # Tracebacks then name them as programs do: they are built in.
    _error.__module__ = "builtins"


# What the host said, for each exception that was made of a refusal. Neither
# the class nor the attributes of an exception say that: programs can have them
# too.
_refusals = WeakKeyDictionary()


def from_call(error):
    """The exception for a `call-error` of the contract."""
    kind, cls = _KINDS[type(error.kind)]
    parameters = getattr(error.kind, "value", ())
    raised = cls(
        error.message,
        error.server,
        error.tool,
        kind,
        parameters,
        error.code,
        _data(error.data),
    )
    if cls is ToolDenied or cls is ToolLimit:
        _refusals[raised] = error
    return raised


def unusable(tool, error):
    """The exception for an answer that cannot be read."""
    server, _, name = tool.rpartition(".")
    return ToolUnusableAnswer(
        f"`{tool}` answered, so the call took effect, and the answer cannot be read: "
        f"{type(error).__name__}: {error}",
        server,
        name,
        "unusable_answer",
    )


def _data(text):
    """What the server said for programs; as text where it cannot be read."""
    if text is None:
        return None
    try:
        return from_json(text)
    except (ValueError, RecursionError):
        return text


def refusal(error):
    """The `call-error` of the host that an exception was made of, if that was
    a refusal; None for every other exception."""
    # By type first: exceptions of programs need not be hashable.
    return _refusals.get(error) if type(error) in (ToolDenied, ToolLimit) else None
