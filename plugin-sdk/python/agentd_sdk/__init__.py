"""What a plugin in Python begins with: `exported`, `settings`, `make`, the errors that the host understands, and `log`.

Raise ``fail.invalid("…")`` and its like for what the host shall know, and hand a host's own error on by not catching
it. Any other exception ends the call, and its traceback is in the plugin's log.
"""

import dataclasses
import functools
import json
import random
import types
import typing

from componentize_py_types import Err
from wit_world.imports import common, entry
from wit_world.imports import log as _log

T = typing.TypeVar("T")

__all__ = ["Err", "extra", "exported", "fail", "log", "make", "parse", "settings"]


def exported(interface: type[T]) -> type[T]:
    """For the classes that the host calls: `@exported class Notifier: …`.

    Errors that are special kinds of `Err`, as `requests.HTTPError` is, reach the host as what they are; and `random`
    gives other numbers in each call: it is seeded when the component is built. (`secrets`, `uuid4` and `os.urandom`
    ask the host anyway.)
    """
    for name, function in list(vars(interface).items()):
        if callable(function) and not name.startswith("_"):
            setattr(interface, name, _exported(function))
    return interface


def _exported(function: typing.Callable[..., typing.Any]) -> typing.Callable[..., typing.Any]:
    @functools.wraps(function)
    def call(*args: typing.Any) -> typing.Any:
        random.seed()
        try:
            return function(*args)
        except Err as error:
            raise (error if type(error) is Err else Err(error.value)) from error.__cause__

    return call


def settings() -> dict[str, typing.Any]:
    """The settings of the entry that the call is made for, defaults filled in."""
    return json.loads(entry.settings())


def parse(text: str) -> dict[str, typing.Any]:
    """Settings as `describe` and `check` get them: perhaps incomplete, and {} where the text is no object at all."""
    try:
        value = json.loads(text)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def make(record: type[T], **fields: typing.Any) -> T:
    """A record of the contract: optional fields that are not given are None, lists empty, and flags False.

    >>> make(Draft, key="7", title="Fix login", body="")
    """
    return record(**{**_empty(record), **fields})


_EMPTY: dict[type, dict[str, typing.Any]] = {}


def _empty(record: type) -> dict[str, typing.Any]:
    """What the fields of a record are where nothing is said; required ones are left out."""
    if record not in _EMPTY:
        _EMPTY[record] = {}
        for field in dataclasses.fields(record):
            if field.type is bool:
                _EMPTY[record][field.name] = False
            elif type(None) in typing.get_args(field.type):
                _EMPTY[record][field.name] = None
            elif typing.get_origin(field.type) is list:
                _EMPTY[record][field.name] = ()
    # A list of its own for each record: somebody may append to it.
    return {name: [] if value == () else value for name, value in _EMPTY[record].items()}


def extra(record: typing.Any, key: str) -> str | None:
    """A value of a record's `extra` by its key."""
    return next((value for name, value in record.extra if name == key), None)


def _log_at(level: _log.Level) -> typing.Callable[..., None]:
    def write(message: str, **fields: object) -> None:
        _log.write(level, str(message), [(name, str(value)) for name, value in fields.items()])

    return write


# Lines in the plugin's log: log.warn("has no title", file=path). What is printed is there too, without fields.
log = types.SimpleNamespace(
    debug=_log_at(_log.Level.DEBUG),
    info=_log_at(_log.Level.INFO),
    warn=_log_at(_log.Level.WARN),
    error=_log_at(_log.Level.ERROR),
)

# The case of an error decides what the host does: `unavailable`, `rate_limited` and `other` are tried again, the rest
# when something has changed.
fail = types.SimpleNamespace(
    invalid=lambda text: Err(common.Error_Invalid(text)),
    denied=lambda text: Err(common.Error_Denied(text)),
    not_found=lambda text: Err(common.Error_NotFound(text)),
    conflict=lambda text: Err(common.Error_Conflict(text)),
    unsupported=lambda text: Err(common.Error_Unsupported(text)),
    too_large=lambda text: Err(common.Error_TooLarge(text)),
    unavailable=lambda text: Err(common.Error_Unavailable(text)),
    other=lambda text: Err(common.Error_Other(text)),
    rate_limited=lambda text, retry_at=None: Err(common.Error_RateLimited(make(common.RateLimit, message=text, retry_at=retry_at))),
)

