"""When windows begin and end."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
UNITS = (("d", 86400), ("h", 3600), ("m", 60), ("s", 1))


class Schedule:
    """Windows of one length, one after the other, counted from an epoch.

    A window is ``[start, start + interval)``. Where a method takes a naive datetime, it is local time, as
    ``datetime.fromtimestamp`` gives it, and so is what the method returns; an aware one gives an aware one.

    :param interval: the length of a window, a positive whole number of seconds
    :param epoch: an instant at which a window starts; 1970-01-01 UTC unless told otherwise
    :raises TypeError: if the interval is not a timedelta or the epoch not a datetime
    :raises ValueError: if the interval is not a positive whole number of seconds
    """

    def __init__(self, interval: timedelta, epoch: datetime | None = None) -> None:
        if not isinstance(interval, timedelta):
            raise TypeError(f"a schedule's interval must be a timedelta, not {interval!r}")
        if interval <= timedelta(0) or interval.microseconds:
            raise ValueError(
                f"a schedule's interval must be a positive whole number of seconds, not {interval}"
            )
        if epoch is not None and not isinstance(epoch, datetime):
            raise TypeError(f"a schedule's epoch must be a datetime, not {epoch!r}")
        self.interval = interval
        self.epoch = (epoch or EPOCH).astimezone(UTC)

    @property
    def seconds(self) -> int:
        """The length of a window in seconds."""
        return self.interval // timedelta(seconds=1)

    def last(self, now: datetime | None = None) -> datetime:
        """Return the start of the window that `now` lies in."""
        instant = _aware(now)
        return _like(now, instant - (instant - self.epoch) % self.interval)

    def next(self, now: datetime | None = None) -> datetime:
        """Return the start of the window after the one that `now` lies in."""
        instant = _aware(now)
        return _like(now, instant - (instant - self.epoch) % self.interval + self.interval)

    def time_to_fire(self, now: datetime | None = None) -> timedelta:
        """Return how long it is from `now` to the next window: more than nothing, an interval at most."""
        return self.interval - (_aware(now) - self.epoch) % self.interval

    def __str__(self) -> str:
        """Return the interval as in ``1d2h3m4s``, without the parts that are zero."""
        parts, rest = [], self.seconds
        for unit, size in UNITS:
            count, rest = divmod(rest, size)
            if count:
                parts.append(f"{count}{unit}")
        return "".join(parts)

    def __repr__(self) -> str:
        return f"Schedule({self})"

    def __float__(self) -> float:
        """Return the seconds from the present to the next window, as statscache 0.0.4 did."""
        return self.time_to_fire().total_seconds()


def _aware(now: datetime | None) -> datetime:
    return (now or datetime.now(UTC)).astimezone(UTC)


def _like(now: datetime | None, instant: datetime) -> datetime:
    """Give the instant the kind of time that the caller speaks."""
    if now is None:
        return instant
    if now.tzinfo is None:
        whole = instant.replace(microsecond=0).timestamp()  # a float has no room for microseconds in 2243
        local = datetime.fromtimestamp(whole)  # noqa: DTZ006  local on purpose, with its fold
        return local.replace(microsecond=instant.microsecond)
    return instant.astimezone(now.tzinfo)
