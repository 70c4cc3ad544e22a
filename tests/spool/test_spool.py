"""The spool: what was accepted comes back, whatever becomes of the process and the disk, and nothing else does."""

from __future__ import annotations

import errno
import math
import os
import random
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from statscache.errors import number_of
from statscache.spool import reader
from statscache.spool import segments as segments_module
from statscache.spool.directory import adopt_spools, make_spool
from statscache.spool.loss import Loss
from statscache.spool.record import encode
from statscache.spool.segment import Damage, NotSpooled, SpoolUnreadable, scan_segment
from statscache.spool.spool import Spool
from tests.support.spools import LIMIT, damages, everything, fill, reopened, segments

HUGE = 10**4000
ODD: dict[str, Any] = {
    "nan": math.nan,
    "infinity": [math.inf, -math.inf],
    "zero": -0.0,
    "huge": [HUGE, -HUGE, 2**64],
    "surrogate": "a\ud800b",
    "nul": "\0",
    "\udfff": {"": [[], {}, None, True, False]},
}
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters()),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(st.characters()), inner, max_size=4),
    max_leaves=10,
)
bodies = st.dictionaries(st.text(st.characters()), json_values, max_size=4)


def same(one: Any, other: Any) -> bool:
    """Whether two values are the same, NaN and the sign of zero included."""
    return repr(one) == repr(other)


def right_or_nothing(spool: Spool, position: int, body: dict[str, Any]) -> bool:
    """Whether what is read at the position is the body, or an error."""
    try:
        return spool.read(position) == body
    except SpoolUnreadable:
        return True


@pytest.mark.slow
@given(st.lists(bodies, max_size=30), st.data())
@settings(max_examples=60)
def test_what_is_appended_comes_back(
    tmp_path_factory: pytest.TempPathFactory, contents: list[dict[str, Any]], data: st.DataObject
) -> None:
    """Any JSON value comes back as it was, by its position and by a scan of any range."""
    spool = make_spool(tmp_path_factory.mktemp("spools"), [], LIMIT)
    positions = [spool.append(encode(body)) for body in contents]
    ends = [*positions, spool.end]
    first = data.draw(st.integers(0, len(contents)))
    last = data.draw(st.integers(first, len(contents)))
    found = list(spool.scan(ends[first], ends[last]))
    assert same(found, list(zip(positions, contents, strict=True))[first:last])
    for number in data.draw(st.permutations(range(len(contents)))):
        assert same(spool.read(positions[number]), contents[number])
    spool.remove()


def test_odd_values_come_back(spool: Spool, directory: Path) -> None:
    """NaN, infinities, lone surrogates, NUL and integers of thousands of digits survive the process."""
    position = spool.append(encode(ODD))
    spool = reopened(spool, directory)
    assert same(spool.read(position), ODD)
    assert same(everything(spool), {position: ODD})


def test_many_segments_are_one_sequence(spool: Spool, directory: Path) -> None:
    """Positions count bytes from the spool's beginning, over the ends of segments and of the process."""
    filled = fill(spool, 100)
    assert len(segments(directory / spool.id)) > 10
    sizes = [len(encode(body)) for body in filled.values()]
    assert list(filled) == [sum(sizes[:n]) for n in range(100)]
    assert spool.end == sum(sizes)
    spool = reopened(spool, directory)
    assert (spool.start, spool.end) == (0, sum(sizes))
    assert everything(spool) == filled


def test_a_record_longer_than_a_segment_comes_back(spool: Spool) -> None:
    """A message of many chunks lies whole between its neighbours."""
    filled = {spool.append(encode(body)): body for body in ({"n": 1}, {"x": "x" * 10_000}, {"n": 2})}
    assert everything(spool) == filled
    assert [spool.read(position) for position in filled] == list(filled.values())


def test_a_torn_last_record_is_dropped(
    spool: Spool, directory: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Cut off at every byte of the last record, all others come back, and the log tells of the torn one."""
    filled = fill(spool, 20)
    spool.close()
    last_position = max(filled)
    path = segments(directory / spool.id)[-1]
    whole = path.read_bytes()
    begin = last_position - int(path.stem)
    for length in range(len(whole) - 1, begin - 1, -1):
        path.write_bytes(whole[:length])
        caplog.clear()
        [adopted] = adopt_spools(directory)
        found = everything(adopted)
        adopted.close()
        assert found == {position: body for position, body in filled.items() if position != last_position}
        told = [record.getMessage() for record in caplog.records]
        assert told == (
            [f"dropped a torn last record, {number_of(length - begin, 'byte')} of {path}"]
            if length > begin
            else []
        )


def test_a_damaged_byte_never_gives_a_wrong_body(
    spool: Spool, directory: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Whatever byte is damaged, only right messages come back, and the log says what is lost and where.

    Where it is not in a record's header, and so does not hide where the next one begins, one message is lost.
    """
    filled = fill(spool, 30)
    spool.close()
    chance = random.Random(1)
    for path in segments(directory / spool.id)[:2] + segments(directory / spool.id)[-1:]:
        whole = path.read_bytes()
        for index in range(len(whole)):
            damaged = bytearray(whole)
            damaged[index] ^= chance.randrange(1, 256)
            path.write_bytes(damaged)
            caplog.clear()
            [adopted] = adopt_spools(directory)
            found = everything(adopted)
            assert found.items() <= filled.items()
            lost = filled.keys() - found.keys()
            assert lost
            hit = max(position for position in filled if position - int(path.stem) <= index)
            assert hit in lost
            assert lost == {hit} or index - (hit - int(path.stem)) < 4
            [told] = [record.getMessage() for record in caplog.records]
            assert re.search(r"\d+ bytes", told)
            assert all(right_or_nothing(adopted, position, body) for position, body in filled.items())
            adopted.close()
        path.write_bytes(whole)


def test_a_damaged_record_in_the_last_segment_is_not_called_torn(
    spool: Spool, directory: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Only what ends too early is a torn record, which nobody need worry about; anything else is an error."""
    filled = fill(spool, 3)
    spool.close()
    [path] = segments(directory / spool.id)
    damaged = bytearray(path.read_bytes())
    damaged[12] ^= 1
    path.write_bytes(damaged)
    [adopted] = adopt_spools(directory)
    assert list(everything(adopted)) == list(filled)[1:]
    assert [damage.start for damage in damages(adopted)] == [0]
    adopted.close()
    record = caplog.records[0]
    assert "damaged" in record.getMessage()
    assert record.levelname == "ERROR"


def test_reading_where_there_is_no_record_says_so(spool: Spool, directory: Path) -> None:
    """A position past the end, or one whose record is cut or claims to be enormous, cannot be read."""
    filled = fill(spool, 3)
    with pytest.raises(SpoolUnreadable, match="damaged"):
        spool.read(spool.end)
    path = segments(directory / spool.id)[-1]
    damaged = bytearray(path.read_bytes())
    damaged[3] = 255
    path.write_bytes(damaged)
    with pytest.raises(SpoolUnreadable, match="damaged"):
        spool.read(0)
    assert spool.read(max(filled)) == filled[max(filled)]


def test_a_segment_that_is_gone_costs_no_more_than_what_was_in_it(
    directory: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """If somebody deletes a file of the spool, it is looked for again; then the rest comes back, and that is said."""
    now = [0.0]
    name = make_spool(directory, [], LIMIT).id
    spool = Spool(directory / name, -1, LIMIT, clock=lambda: now[0])
    filled = fill(spool, 30)
    first, second, *_ = segments(directory / spool.id)
    first.unlink()
    for seconds in (0.0, 9.9):
        now[0] = seconds
        with pytest.raises(SpoolUnreadable, match="No such file"):
            everything(spool)
    now[0] = 10.0
    assert everything(spool) == {p: body for p, body in filled.items() if p >= int(second.stem)}
    assert damages(spool) == [Damage(0, int(second.stem))]
    assert "gave up" in caplog.text
    spool.close()


def test_a_failure_that_was_over_is_not_added_to_the_next(
    spool: Spool, directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where all was read since, but no scan to its end: a segment is given up for one time of failing alone."""
    now = [0.0]
    monkeypatch.setattr(spool._reader, "_clock", lambda: now[0])
    filled = fill(spool, 30)
    first = segments(directory / spool.id)[0]
    away = first.with_name("away")
    for begin in (0.0, 9.0, 18.0):
        now[0] = begin
        first.rename(away)
        with pytest.raises(SpoolUnreadable, match="No such file"):
            everything(spool)
        away.rename(first)
        assert next(spool.scan(0, spool.end)) == (0, filled[0])
    assert everything(spool) == filled


def test_a_record_that_cannot_be_read_behind_others_is_given_up(
    spool: Spool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """That those before it are read each time does not put it off."""
    now = [0.0]
    monkeypatch.setattr(spool._reader, "_clock", lambda: now[0])
    filled = fill(spool, 10)
    bad = sorted(filled)[2]

    def scan(path: Path, begin: int, start: int, end: int, may_be_torn: bool) -> Iterator[tuple[int, Any]]:
        for found in scan_segment(path, begin, start, end, may_be_torn):
            if found[0] == bad:
                raise OSError(errno.EIO, os.strerror(errno.EIO))
            yield found

    monkeypatch.setattr(reader, "scan_segment", scan)
    for now[0] in (0.0, 300.0, 599.0):
        with pytest.raises(SpoolUnreadable, match="Input/output"):
            everything(spool)
    now[0] = 600.0
    assert min(set(filled) - set(everything(spool))) == bad
    assert len(damages(spool)) == 1


@pytest.mark.parametrize("number", [errno.EMFILE, errno.EIO, errno.ENOENT, errno.EACCES])
@pytest.mark.parametrize("what", ["open", "read"])
def test_what_cannot_be_read_for_a_moment_is_not_empty(
    what: str, number: int, spool: Spool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An error of the system says nothing of what is in the spool, and a moment later all of it comes back."""
    filled = fill(spool, 30)

    def fail(*args: Any) -> Any:
        raise OSError(number, os.strerror(number))

    class Unreadable:
        def __enter__(self) -> Unreadable:
            return self

        def __exit__(self, *error: object) -> None: ...

        seek = staticmethod(lambda offset: None)
        read = staticmethod(fail)

    with monkeypatch.context() as patch:
        if what == "read":
            patch.setattr("builtins.open", lambda *_, **__: Unreadable())
        patch.setattr(os, "open", fail)
        with pytest.raises(SpoolUnreadable, match=os.strerror(number)):
            everything(spool)
        with pytest.raises(SpoolUnreadable, match=os.strerror(number)):
            spool.read(0)
    assert everything(spool) == filled
    assert spool.read(0) == filled[0]


def test_a_directory_that_cannot_be_listed_is_no_empty_spool(
    spool: Spool, directory: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Without descriptors to look at it a dead daemon's spool is left alone, and adopted when there are some."""
    filled = fill(spool, 30)
    spool.close()
    listdir = os.listdir

    def fail(path: Path) -> list[str]:
        if path == directory / spool.id:
            raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
        return listdir(path)

    with monkeypatch.context() as patch:
        patch.setattr(os, "listdir", fail)
        assert list(adopt_spools(directory)) == []
    assert "cannot be adopted: Too many open files" in caplog.text
    [adopted] = adopt_spools(directory)
    assert everything(adopted) == filled
    adopted.close()


def test_a_spool_that_is_not_on_its_path_any_more_is_made_anew(
    directory: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """What was last written survives the removal of its directory, and the next daemon finds all that comes after."""
    spool = make_spool(directory, ["a"], LIMIT)
    filled = fill(spool, 30)
    last = int(segments(directory / spool.id)[-1].stem)
    spool.lose(5.0, "full")
    spool.see_to_place()
    assert not caplog.records
    shutil.rmtree(directory)
    spool.see_to_place()
    assert "not on its path" in caplog.text
    filled |= fill(spool, 30)
    with pytest.raises(SpoolUnreadable):
        everything(spool)
    assert dict(spool.scan(last, spool.end)) == {p: body for p, body in filled.items() if p >= last}
    spool = reopened(spool, directory)
    assert everything(spool) == {p: body for p, body in filled.items() if p >= last}
    assert (spool.plugins, spool.loss) == ({"a"}, Loss(1, 5.0, 5.0, 0, "full"))
    spool.close()


def test_a_file_of_the_spool_that_is_not_on_its_path_any_more_is_written_anew(
    spool: Spool, directory: Path
) -> None:
    """If somebody deletes only the file that is being written, nothing is lost."""
    filled = fill(spool, 30)
    segments(directory / spool.id)[-1].unlink()
    spool.see_to_place()
    filled |= fill(spool, 1)
    assert everything(reopened(spool, directory)) == filled


def test_a_disk_that_is_full_when_a_file_is_written_anew_damages_nothing(
    spool: Spool, directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What could be written of it is not taken for all of it, and once there is room all of it is there."""
    filled = fill(spool, 10)
    shutil.rmtree(directory)
    write = os.write

    def half(fd: int, data: bytes) -> int:
        if len(data) < 20:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return write(fd, data[: len(data) // 2])

    last = spool._segments.starts[-1]
    with monkeypatch.context() as patch:
        patch.setattr(os, "write", half)
        spool.see_to_place()
        with pytest.raises(SpoolUnreadable):
            dict(spool.scan(last, spool.end))
    spool.see_to_place()
    assert dict(spool.scan(last, spool.end)) == {p: body for p, body in filled.items() if p >= last}


@pytest.mark.parametrize("segment", [200, 8 << 20])
def test_past_its_limit_a_spool_takes_nothing_and_goes_on_when_there_is_room(
    segment: int, directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What does not fit leaves no trace; once the rest is committed there is room again, however small the limit."""
    monkeypatch.setattr(segments_module, "SEGMENT", segment)
    spool = make_spool(directory, [], 1000)
    record = encode({"x": "x" * 300})
    taken = [spool.append(record) for _ in range(3)]
    with pytest.raises(NotSpooled, match="limit of 1000 bytes"):
        spool.append(record)
    assert list(everything(spool)) == taken
    for _ in range(20):
        spool.release(spool.end)
        position = spool.append(encode({"x": "x" * 900}))
        assert spool.read(position) == {"x": "x" * 900}
    spool.close()


def test_a_record_that_fits_no_more_leaves_room_for_smaller_ones(directory: Path) -> None:
    """A huge message that is refused does not stop the others."""
    spool = make_spool(directory, [], 1000)
    with pytest.raises(NotSpooled):
        spool.append(encode({"x": "x" * 1000}))
    assert everything(spool) == {}
    assert spool.append(encode({"n": 1})) == 0
    spool.close()


def test_a_full_disk_leaves_no_half_record(spool: Spool, monkeypatch: pytest.MonkeyPatch) -> None:
    """A write that stops half-way for want of room is undone, and when there is room again all goes on."""
    filled = fill(spool, 10)
    write = os.write

    def half(fd: int, data: bytes) -> int:
        if len(data) < 20:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return write(fd, data[: len(data) // 2])

    for _ in range(5):
        with monkeypatch.context() as patch:
            patch.setattr(os, "write", half)
            with pytest.raises(NotSpooled, match="No space left"):
                spool.append(encode({"lost": "x" * 50}))
        assert everything(spool) == filled
        filled |= fill(spool, 3)
    assert everything(spool) == filled


def test_a_half_record_that_cannot_be_undone_harms_no_other(
    spool: Spool, directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where even the undoing fails, what is appended afterwards still comes back, also to the next daemon."""
    filled = fill(spool, 2)

    def fail(*args: Any) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    write = os.write
    calls = iter([lambda fd, data: write(fd, data[:5]), fail])
    with monkeypatch.context() as patch:
        patch.setattr(os, "write", lambda fd, data: next(calls)(fd, data))
        patch.setattr(os, "ftruncate", fail)
        with pytest.raises(NotSpooled):
            spool.append(encode({"lost": 1}))
    filled |= fill(spool, 5)
    assert everything(spool) == filled
    assert everything(reopened(spool, directory)) == filled


FULL = """
import resource, signal, sys
from pathlib import Path
from statscache.spool.record import encode
from statscache.spool.directory import make_spool
from statscache.spool.segment import NotSpooled
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
spool = make_spool(Path(sys.argv[1]), [], 1 << 30)
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, resource.RLIM_INFINITY))
taken = lost = 0
while lost < 50:
    try:
        spool.append(encode({"n": taken, "x": "x" * 50}))
        taken += 1
    except NotSpooled as error:
        spool.lose(100.0 + lost, "full")
        lost += 1
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
for _ in range(5):
    spool.append(encode({"n": taken, "x": "x" * 50}))
    taken += 1
print(taken, [body["n"] for _, body in spool.scan(0, spool.end)] == list(range(taken)), flush=True)
"""


def test_a_file_that_cannot_grow_is_a_full_spool(directory: Path) -> None:
    """Under a real bound of the system every message is either whole in the spool or noted as lost."""
    done = subprocess.run(
        [sys.executable, "-c", FULL, str(directory)], capture_output=True, text=True, check=True, timeout=60
    )
    taken, right = done.stdout.split()
    assert right == "True"
    [adopted] = adopt_spools(directory)
    assert [body["n"] for body in everything(adopted).values()] == list(range(int(taken)))
    assert adopted.loss == Loss(50, 100.0, 149.0, 0, "full")
    adopted.close()


def test_release_removes_only_whole_committed_segments(spool: Spool, directory: Path) -> None:
    """A segment goes when nothing in it is needed any more; the last one stays."""
    filled = fill(spool, 60)
    for position in filled:
        spool.release(position)
        starts = [int(path.stem) for path in segments(directory / spool.id)]
        assert starts[0] <= position
        assert len(starts) == 1 or starts[1] > position
        assert spool.start == starts[0]
        assert dict(spool.scan(position, spool.end)) == {p: b for p, b in filled.items() if p >= position}
    spool.release(spool.end)
    assert segments(directory / spool.id) == []
    assert spool.start == spool.end


def test_what_is_committed_stays_for_the_tail(directory: Path) -> None:
    """It can be counted again for so long, and goes then, the segment that is being written, too."""
    now = [0.0]
    name = make_spool(directory, [], LIMIT).id
    spool = Spool(directory / name, -1, LIMIT, tail=60.0, clock=lambda: now[0])
    filled = fill(spool, 30)
    spool.release(spool.end)
    middle = spool.end
    now[0] = 30.0
    filled |= fill(spool, 30)
    spool.release(spool.end)
    assert everything(spool) == filled
    now[0] = 60.0
    spool.release(spool.end)
    assert spool.start <= middle
    assert dict(spool.scan(middle, spool.end)) == {p: body for p, body in filled.items() if p >= middle}
    assert [(d.start, d.end) for d in damages(spool)] == [(0, spool.start)]
    spool.take_back(middle)
    now[0] = 600.0
    assert spool.held == spool.end - middle
    assert dict(spool.scan(middle, spool.end)) == {p: body for p, body in filled.items() if p >= middle}
    spool.release(spool.end)
    now[0] = 660.0
    spool.release(spool.end)
    assert (spool.start, segments(directory / name)) == (spool.end, [])
    spool.close()


def test_what_is_gone_of_a_tail_takes_no_room(directory: Path) -> None:
    """Though the database went back further than the spool reaches, there is room for what comes."""
    spool = make_spool(directory, [], 1000)
    for _ in range(100):
        spool.append(encode({"x": "x" * 100}))
        spool.release(spool.end)
    spool.take_back(0)
    spool.append(encode({"x": "x" * 300}))
    assert spool.held <= 1000
    spool.close()


def test_what_cannot_be_removed_costs_no_message(
    directory: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """If a segment that is committed cannot be deleted, that is logged, and messages are taken as ever."""
    spool = make_spool(directory, [], 1000, tail=900.0)

    def fail(*args: Any, **extra: Any) -> None:
        raise OSError(errno.EACCES, os.strerror(errno.EACCES))

    monkeypatch.setattr(Path, "unlink", fail)
    filled = {}
    for number in range(200):
        filled[spool.append(encode({"n": number}))] = {"n": number}
        spool.release(spool.end)
    assert everything(spool) == filled
    assert "cannot be removed: Permission denied" in caplog.text
    spool.close()


def test_the_tail_makes_room_for_what_comes(directory: Path) -> None:
    """The limit is on what is not committed: of what is, the oldest goes as soon as its room is needed."""
    spool = make_spool(directory, [], 2000, tail=900.0)
    for _ in range(100):
        spool.append(encode({"x": "x" * 100}))
        spool.release(spool.end)
        assert spool.end - spool.start <= 2000
    spool.close()


def test_the_tail_makes_room_on_a_full_disk(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a disk without room what is committed goes, however large a segment is, and nothing is lost."""
    monkeypatch.setattr(segments_module, "SEGMENT", 8 << 20)
    spool = make_spool(directory, [], LIMIT, tail=900.0)
    write, room = os.write, [1000]

    def bounded(fd: int, data: bytes) -> int:
        used = sum(path.stat().st_size for path in segments(directory / spool.id))
        if used + len(data) > room[0]:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return write(fd, data)

    monkeypatch.setattr(os, "write", bounded)
    for _ in range(300):
        spool.append(encode({"x": "x" * 300}))
        spool.release(spool.end)
    spool.append(encode({"x": "x" * 300}))
    with pytest.raises(NotSpooled, match="No space left"):
        spool.append(encode({"x": "x" * 900}))
    assert spool.held > 300
    spool.close()


def test_a_spool_knows_which_plugins_its_messages_are_for(spool: Spool, directory: Path) -> None:
    """Also the next daemon learns which plugins were to count what it adopts."""
    assert spool.plugins == {"a", "b"}
    spool = reopened(spool, directory)
    assert spool.plugins == {"a", "b"}
    spool.close()


def test_a_spool_that_no_longer_says_its_plugins_is_still_read(
    spool: Spool, directory: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """After a loss of power that emptied the list, the messages come back and the log says what is not known."""
    filled = fill(spool, 3)
    (directory / spool.id / "plugins.json").write_text("")
    spool = reopened(spool, directory)
    assert (spool.plugins, everything(spool)) == (frozenset(), filled)
    assert "plugins.json" in caplog.text
    spool.close()


def test_appending_goes_on_beside_scans_and_releases(spool: Spool) -> None:
    """While one thread appends, another that scans and releases sees every message once and in order."""
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    count = 3000
    thread = threading.Thread(target=lambda: [spool.append(encode({"n": n})) for n in range(count)])
    thread.start()
    position, seen = 0, []
    while len(seen) < count:
        end = spool.end
        found = list(spool.scan(position, end))
        seen += [body["n"] for _, body in found]
        for place, body in found[:: len(found) // 10 + 1]:
            assert spool.read(place) == body
        position = end
        spool.release(position)
    thread.join()
    sys.setswitchinterval(interval)
    assert seen == list(range(count))


def test_a_spool_that_is_synced_and_removed_leaves_nothing(spool: Spool, directory: Path) -> None:
    """Syncing is allowed at any time, and a removed spool is gone with its directory."""
    spool.sync()
    fill(spool, 3)
    spool.sync()
    spool.remove()
    assert list(directory.iterdir()) == []
