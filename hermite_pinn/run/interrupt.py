"""Signals that end a run: Ctrl-C and the batch system's, between steps, never inside one."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from types import FrameType

__all__ = ["Signals", "Terminated", "cause", "hold", "release", "terminable", "uninterrupted"]

#: Signals by which a batch system, a container or a closed terminal asks a program to end.
ENDING = (signal.SIGTERM, signal.SIGHUP)


class Terminated(KeyboardInterrupt):
    """A run was asked to end by a signal; what handles Ctrl-C handles it.

    Examples
    --------
    >>> str(Terminated(signal.SIGTERM))
    'terminated by SIGTERM'
    """

    def __init__(self, number: int) -> None:
        self.number = signal.Signals(number)
        super().__init__(f"terminated by {self.number.name}")


def cause() -> str:
    """What interrupted a run, in words; inside the ``except`` clause that caught it.

    Examples
    --------
    >>> try:
    ...     raise Terminated(signal.SIGTERM)
    ... except KeyboardInterrupt:
    ...     cause()
    'terminated by SIGTERM'
    """
    error = sys.exception()
    return str(error) if isinstance(error, Terminated) else "interrupted from the keyboard"


class Signals:
    """The handler of the signals that end a run, which can be put off.

    Attributes
    ----------
    closed
        Number of blocks under way that must not be interrupted.
    held
        Whether the work is done, and what remains is its result: see :func:`hold`.
    received
        The last signal that was delivered, or None.

    Examples
    --------
    >>> Signals().exit_code
    130
    """

    def __init__(self) -> None:
        self.closed = 0
        self.held = False
        self.received: int | None = None
        self._before: dict[int, Callable[[int, FrameType | None], object] | None] = {}
        self._put_off: int | None = None

    @property
    def exit_code(self) -> int:
        """What a shell expects of a program that a signal ended: 128 and its number, that of Ctrl-C by default."""
        return 128 + (signal.SIGINT if self.received is None else self.received)

    def install(self, numbers: Sequence[int]) -> None:
        """Take over signals that end the process: by default, or by a handler of Python as that of Ctrl-C.

        Some libraries, as Gmsh, leave Ctrl-C with the default of the system, which would kill the process.
        """
        for number in numbers:
            before = signal.getsignal(number)
            if callable(before) and number == signal.SIGINT:
                self._before[number] = before
            elif before is signal.SIG_DFL:
                self._before[number] = None
            else:
                continue
            signal.signal(number, self._handle)

    def remove(self) -> None:
        """Give back what was taken, unless somebody else took it since."""
        for number, before in self._before.items():
            if signal.getsignal(number) == self._handle:
                signal.signal(number, before or signal.SIG_DFL)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if (self.closed or self.held) and self._put_off is None and self.received is None:
            self._put_off = number
        else:
            self._deliver(number, frame)

    def open(self) -> None:
        """End a block; what was put off happens now."""
        self.closed -= 1
        self._catch_up()

    def release(self) -> None:
        """Work again; what was put off happens now."""
        self.held = False
        self._catch_up()

    def missed(self) -> str | None:
        """What was put off and came too late to end the work, in words; it is forgotten.

        A handler that the user has set for Ctrl-C is called.
        """
        number, self._put_off = self._put_off, None
        if number is None:
            return None
        before = self._before[number]
        if before is not None and before is not signal.default_int_handler:
            before(number, None)
        return "interrupted from the keyboard" if number == signal.SIGINT else str(Terminated(number))

    def _catch_up(self) -> None:
        if not (self.closed or self.held) and self._put_off is not None:
            self._deliver(self._put_off, None)

    def _deliver(self, number: int, frame: FrameType | None) -> None:
        self._put_off, self.received = None, number
        before = self._before[number]
        if before is None:
            raise KeyboardInterrupt if number == signal.SIGINT else Terminated(number)
        before(number, frame)


_gate: ContextVar[Signals | None] = ContextVar("gate", default=None)


@contextmanager
def terminable() -> Iterator[Signals]:
    """Let SIGTERM and SIGHUP end the block by :class:`Terminated`, as Ctrl-C ends it by ``KeyboardInterrupt``.

    The first of these signals waits for the end of a block of :func:`uninterrupted`, the next ones do not.  Only a
    signal that would kill the process is changed, and only in the main thread: a handler of the user stays,
    and so does one that ignores the signal, as under ``nohup``.  Afterwards everything is as before.

    Examples
    --------
    >>> with terminable() as signals:
    ...     signals.received is None
    True
    """
    with _installed((signal.SIGINT, *ENDING)) as gate:
        signals = gate or Signals()
        held = signals.held
        try:
            yield signals
        finally:
            signals.held = held


def hold() -> None:
    """The work of a block of :func:`terminable` is done: a signal has nothing to end any more, but a result to lose.

    The first signal from now to the end of the block, or to :func:`release`, does nothing; the second one is not put
    off.  :meth:`Signals.missed` tells whether there was one.

    Examples
    --------
    >>> with terminable() as signals:
    ...     hold()
    ...     signal.raise_signal(signal.SIGTERM)
    ...     signals.missed()
    'terminated by SIGTERM'
    """
    gate = _gate.get()
    if gate is not None:
        gate.held = True


def release() -> None:
    """More work begins, which a signal that was held back ends at once.

    Examples
    --------
    >>> with terminable():
    ...     hold()
    ...     signal.raise_signal(signal.SIGTERM)
    ...     try:
    ...         release()
    ...     except Terminated as end:
    ...         print(end)
    terminated by SIGTERM
    """
    gate = _gate.get()
    if gate is not None:
        gate.release()


@contextmanager
def uninterrupted() -> Iterator[None]:
    """Put off the signals of :func:`terminable` to the end of the block: a step is done wholly or not at all.

    A second signal is not put off.  Outside of :func:`terminable` only Ctrl-C is put off; outside the main thread,
    where Python delivers no signals, this does nothing.

    Examples
    --------
    >>> with uninterrupted():
    ...     done = True
    """
    with _installed((signal.SIGINT,)) as gate:
        if gate is None:
            yield
            return
        gate.closed += 1
        try:
            yield
        finally:
            gate.open()


@contextmanager
def _installed(numbers: Sequence[int]) -> Iterator[Signals | None]:
    """The gate of the block around this one, or a new one for this block; None outside the main thread."""
    gate = _gate.get()
    if gate is not None or threading.current_thread() is not threading.main_thread():
        yield gate
        return
    gate = Signals()
    token = _gate.set(gate)
    try:
        gate.install(numbers)
        yield gate
    finally:
        gate.remove()
        _gate.reset(token)
