"""Files read as they were before gzip or zstd compressed them, told by their content."""

from __future__ import annotations

import io
import zlib
from typing import IO, Any, Protocol

import zstandard

#: So many bytes are read at a time.
CHUNK = 32_768
#: So many are decompressed at a time: even what is packed most tightly then unpacks to some megabytes.
PIECE = 512
GZIP = b"\x1f\x8b"
ZSTD = b"\x28\xb5\x2f\xfd"
#: Begins, with one of 16 first bytes, a frame of zstd that holds no content.
SKIPPABLE = b"\x2a\x4d\x18"
LONGEST_MAGIC = 4


class _Member(Protocol):
    """One gzip member or zstd frame while it is decompressed."""

    @property
    def eof(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: Any, /) -> bytes: ...


def _member(start: bytes) -> _Member | None:
    """Return what decompresses data that starts so; None if it is not compressed."""
    if start.startswith(GZIP):
        return zlib.decompressobj(wbits=31)
    if start.startswith(ZSTD) or (start[1:4] == SKIPPABLE and 0x50 <= start[0] <= 0x5F):
        return zstandard.ZstdDecompressor().decompressobj()
    return None


def is_compressed(start: bytes) -> bool:
    """Return whether a file that starts so is compressed.

    :param start: its first LONGEST_MAGIC bytes
    """
    return _member(start) is not None


class Decompressed(io.RawIOBase):
    """The content of a file, whether plain, or gzip members and zstd frames one after another.

    Damaged compression ends it early; `failure` then says so.

    :param file: open for reading bytes; not closed
    """

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._member: _Member | None = None
        self._started = False
        self._packed = b""
        self._content = memoryview(b"")
        #: How many bytes of the file itself were read.
        self.position = 0
        #: Why the content is not all there, in a sentence; None if it is.
        self.failure: str | None = None

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self._content:
            if not self._fill():
                return 0
        count = min(len(buffer), len(self._content))
        buffer[:count] = self._content[:count]
        self._content = self._content[count:]
        return count

    def _fill(self) -> bool:
        """Get some content, maybe none yet; return False at the end."""
        if not self._started:
            self._started = True
            while len(self._packed) < LONGEST_MAGIC and self._read():
                pass
            self._member = _member(self._packed)
        if self.failure or not (self._packed or self._read()):
            return self._end()
        if self._member is None:
            self._content, self._packed = memoryview(self._packed), b""
        else:
            self._unpack(self._member)
        return True

    def _read(self) -> bool:
        data = self._file.read(CHUNK)
        self.position += len(data)
        self._packed += data
        return bool(data)

    def _unpack(self, member: _Member) -> None:
        piece, self._packed = self._packed[:PIECE], self._packed[PIECE:]
        try:
            self._content = memoryview(member.decompress(piece))
        except (zlib.error, zstandard.ZstdError) as error:
            self.failure = (
                f"its compression is damaged ({error}), so the rest cannot be read: get the file again"
            )
            return
        if member.eof:
            self._packed = member.unused_data + self._packed
            self._go_on()

    def _go_on(self) -> None:
        """Find what follows a member that has ended: another, zeros, as tapes have them, or nothing."""
        while len(self._packed) < LONGEST_MAGIC and self._read():
            pass
        self._member = _member(self._packed)
        if self._member is None:
            self._skip_zeros()

    def _skip_zeros(self) -> None:
        while not self._packed.strip(b"\0"):
            self._packed = b""
            if not self._read():
                return
        self.failure = (
            "what follows its compressed content is not compressed and was not read: split the file"
        )

    def _end(self) -> bool:
        if self._member is not None and not self.failure:
            self.failure = "its compressed content is cut off here: get the file again"
        return False
