"""A result keeps its shape, whatever is in it."""

import dataclasses
import datetime
import decimal
import enum
import uuid


class Colour(enum.Enum):
    RED = "red"


@dataclasses.dataclass
class Point:
    x: int
    when: datetime.date


{
    "big": 2**70,
    "negative": -(2**70),
    "decimal": [decimal.Decimal("0.10"), decimal.Decimal(2) ** 70],
    "nan": [float("nan"), float("-inf"), decimal.Decimal("NaN")],
    "dates": [datetime.date(2026, 1, 2), datetime.time(3, 4)],
    "sets": [{3, 1, 2}, frozenset(["b", "a"])],
    "dataclass": Point(1, datetime.date(2026, 1, 2)),
    "others": [Colour.RED, uuid.UUID(int=0), b"bytes", (1, 2), "lone \udc80"],
    "keys": {datetime.date(2026, 1, 2): 1, (1, 2): 2, 3: 4, None: 5, Colour.RED: 6},
}
