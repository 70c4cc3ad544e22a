"""Publishes a file of messages from a process of its own, so that it shares no interpreter with anybody.

usage: python -m benchmarks.publisher FILE RATE TIMES

Its lines of output are its endpoint, a line once somebody has subscribed, and, after a line of input has started it,
one once all is sent. Another line of input ends a paced publisher before that. RATE is messages a second, each then
with the time at which it is sent for its timestamp; 0 for as fast as it goes, with the timestamps of the file. TIMES
gets the times as doubles, in seconds since 1970.
"""

from __future__ import annotations

import select
import sys
import time
from array import array
from collections.abc import Sequence
from pathlib import Path

import zmq

from benchmarks.messages import at, stamp, topic_of

#: A paced publisher sends so many times a second.
SLICES = 100


def main() -> None:
    """Publish, then wait for the end of the input."""
    path, rate, times = Path(sys.argv[1]), float(sys.argv[2]), Path(sys.argv[3])
    socket: zmq.Socket[bytes] = zmq.Context.instance().socket(zmq.XPUB)
    socket.sndhwm = 0
    socket.bind("tcp://127.0.0.1:*")
    lines = path.read_bytes().splitlines(keepends=True)
    topics = [topic_of(line) for line in lines]
    print(socket.get_string(zmq.LAST_ENDPOINT), flush=True)
    while not socket.recv()[0]:
        pass
    print("subscribed", flush=True)
    sys.stdin.readline()
    sent = send_paced(socket, topics, lines, rate) if rate else send(socket, topics, lines)
    with times.open("wb") as file:
        sent.tofile(file)
    print("sent", flush=True)
    sys.stdin.read()
    socket.close(linger=0)


def send(socket: zmq.Socket[bytes], topics: Sequence[bytes], lines: Sequence[bytes]) -> array[float]:
    """Send everything at once; return when the first and when the last was sent."""
    first = time.time()
    for topic, line in zip(topics, lines, strict=True):
        socket.send(topic, zmq.SNDMORE)
        socket.send(line)
    return array("d", [first, time.time()])


def send_paced(
    socket: zmq.Socket[bytes], topics: Sequence[bytes], lines: Sequence[bytes], rate: float
) -> array[float]:
    """Send so many a second, until there is more input; return when each was sent."""
    sent = array("d")
    start, slice_length = time.time(), max(round(rate / SLICES), 1)
    for number, (topic, line) in enumerate(zip(topics, lines, strict=True)):
        if number % slice_length == 0:
            left = max(start + number / rate - time.time(), 0)
            if select.select([sys.stdin], [], [], left)[0]:
                break
        when = stamp(time.time())
        sent.append(float(when))
        socket.send(topic, zmq.SNDMORE)
        socket.send(at(line, when))
    return sent


if __name__ == "__main__":
    main()
