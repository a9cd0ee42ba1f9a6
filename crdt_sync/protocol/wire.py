"""The primitive encodings of lib0, every length checked before anything is allocated.

Source: lib0 `encoding.js` and `decoding.js`. A varUint is LEB128, seven bits a byte, low bits first, up to
2^53 - 1 (JavaScript's largest safe integer). A string is its length in UTF-8 *bytes*, then the bytes.
"""

from __future__ import annotations

from crdt_sync.errors import LocalProtocolError, RemoteProtocolError

__all__ = ["MAX_SAFE_INTEGER", "Reader", "write_bytes", "write_string", "write_var_uint"]

MAX_SAFE_INTEGER = 2**53 - 1
_MAX_VAR_UINT_BYTES = 8


class Reader:
    """A cursor over received bytes. Where they do not hold what it reads, every method raises `RemoteProtocolError`."""

    __slots__ = ("data", "end", "position")

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.position = 0
        self.end = len(data)

    @property
    def remaining(self) -> int:
        """How many bytes have not been read."""
        return self.end - self.position

    def byte(self) -> int:
        """Read one byte."""
        position = self.position
        if position >= self.end:
            raise RemoteProtocolError("the message ends early")
        self.position = position + 1
        return self.data[position]

    def var_uint(self) -> int:
        """Read an unsigned integer of at most 53 bits."""
        data, position = self.data, self.position
        try:
            octet = data[position]
            if octet < 0x80:
                self.position = position + 1
                return octet
            value = octet & 0x7F
            for index in range(1, _MAX_VAR_UINT_BYTES):
                octet = data[position + index]
                value |= (octet & 0x7F) << (7 * index)
                if octet < 0x80:
                    if value > MAX_SAFE_INTEGER:
                        break
                    self.position = position + index + 1
                    return value
        except IndexError:
            raise RemoteProtocolError("the message ends inside an integer") from None
        raise RemoteProtocolError("an integer is larger than 53 bits")

    def count(self, entry_size: int = 1) -> int:
        """Read the number of entries that follow; it must fit the bytes left at `entry_size` bytes or more each."""
        count = self.var_uint()
        if count * entry_size > self.remaining:
            raise RemoteProtocolError(f"{count} entries are announced, more than the message can hold")
        return count

    def skip(self, length: int) -> None:
        """Pass over `length` bytes."""
        if length > self.end - self.position:
            raise RemoteProtocolError(f"{length} bytes are announced and {self.remaining} are there")
        self.position += length

    def bytes(self) -> bytes:
        """Read a length in bytes and that many bytes."""
        data, start = self.data, self.position + 1
        length = data[start - 1] if start <= self.end else 0x80
        if length >= 0x80:  # most are short, and an update has many
            length = self.var_uint()
            start = self.position
        end = start + length
        if end > self.end:
            raise RemoteProtocolError(f"{length} bytes are announced and {self.end - start} are there")
        self.position = end
        return data[start:end]

    def string(self) -> str:
        """Read a length in bytes and that much UTF-8."""
        try:
            return self.bytes().decode()
        except UnicodeDecodeError:
            raise RemoteProtocolError("a string is not UTF-8") from None


def write_var_uint(out: bytearray, value: int) -> None:
    """Append `value` (0 to 2^53 - 1) to `out`. Raises `LocalProtocolError` out of that range."""
    if not 0 <= value <= MAX_SAFE_INTEGER:
        raise LocalProtocolError(f"{value} is not an unsigned integer of 53 bits")
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)


def write_bytes(out: bytearray, data: bytes) -> None:
    """Append the length of `data` in bytes and `data`."""
    write_var_uint(out, len(data))
    out += data


def write_string(out: bytearray, text: str) -> None:
    """Append `text` as UTF-8. Raises `LocalProtocolError` for a lone surrogate, which UTF-8 cannot carry."""
    try:
        write_bytes(out, text.encode())
    except UnicodeEncodeError:
        raise LocalProtocolError("the text holds a lone surrogate") from None
