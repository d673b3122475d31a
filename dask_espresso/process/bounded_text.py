"""What is kept of all that a process prints."""

_HEAD, _TAIL = 4096, 12288  # bytes


class BoundedText:
    """The beginning and the end of a text of any length."""

    def __init__(self) -> None:
        self._size = 0
        self._head = bytearray()
        self._tail = bytearray()

    def add(self, data: bytes) -> None:
        """Append to the text."""
        self._size += len(data)
        space = _HEAD - len(self._head)
        self._head += data[:space]
        self._tail += data[max(space, len(data) - _TAIL) :]
        del self._tail[:-_TAIL]

    def __str__(self) -> str:
        left_out = self._size - len(self._head) - len(self._tail)
        gap = f"\n[… {left_out} bytes left out …]\n".encode() if left_out else b""
        return (bytes(self._head) + gap + bytes(self._tail)).decode("utf-8", "replace")
