"""A step as a CUDA graph: recorded once, then started by a single call from the host."""

from __future__ import annotations

import gc
import logging
import warnings
from collections import Counter
from collections.abc import Callable, Hashable, Sequence
from typing import Generic, Protocol, TypeVar

import torch

__all__ = ["CapturedStep", "Recorder", "TorchRecorder"]

logger = logging.getLogger(__name__)

Variant = TypeVar("Variant", bound=Hashable)


class Recorder(Protocol):
    """What :class:`CapturedStep` needs of CUDA graphs."""

    def warm(self, work: Callable[[], None]) -> None:
        """Do the work now, on the stream that will be recorded."""

    def record(self, work: Callable[[], None]) -> Callable[[], None]:
        """Record the work without doing it; the function returned does it."""

    def forget(self) -> None:
        """Called when all that was recorded has been dropped."""


class TorchRecorder:
    """CUDA graphs of PyTorch.

    All graphs share one pool of memory: they are started one after another, and nothing that is used outside a graph
    is allocated while it is recorded.

    Parameters
    ----------
    device
        A GPU.
    generator
        The random numbers of the step, if there are any; every start of a graph moves it on as the step itself would.
    """

    def __init__(self, device: torch.device, generator: torch.Generator | None = None) -> None:
        self.device, self.generator = device, generator
        self.stream = torch.cuda.Stream(device)
        self.pool = torch.cuda.graph_pool_handle()

    def warm(self, work: Callable[[], None]) -> None:
        """Do the work on a side stream, where it meets the memory and libraries of the recording."""
        outside = torch.cuda.current_stream(self.device)
        self.stream.wait_stream(outside)
        with torch.cuda.stream(self.stream):
            work()
        outside.wait_stream(self.stream)

    def record(self, work: Callable[[], None]) -> Callable[[], None]:
        """Record the work."""
        graph, random = torch.cuda.CUDAGraph(), self.generator
        outside, before = torch.cuda.current_stream(self.device), None if random is None else random.clone_state()
        register = getattr(graph, "register_generator_state", None)
        if random is not None and register is not None:  # newer versions of PyTorch find it themselves, and warn
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                register(random)
        collecting = gc.isenabled()
        gc.disable()  # a graph that is freed while another is recorded ends the recording
        try:
            with torch.cuda.device(self.device), torch.cuda.graph(graph, pool=self.pool, stream=self.stream):
                work()
        except BaseException:
            # PyTorch leaves a recording that fails with its stream current and the generator taken
            torch.cuda.set_stream(outside)
            if random is not None and before is not None:
                random.graphsafe_set_state(before)
            self.forget()
            raise
        finally:
            if collecting:
                gc.enable()
        return graph.replay

    def forget(self) -> None:
        """Take another pool of memory: PyTorch forgets one whose graphs are all gone."""
        self.pool = torch.cuda.graph_pool_handle()


class CapturedStep(Generic[Variant]):
    """Does a step in one of several variants, each as a graph of its own.

    A variant runs as it is for the first ``warmup`` steps, so that kernels are compiled and libraries are set up, then
    it is recorded.

    Parameters
    ----------
    step
        Does a step in place.  It must not look at values on the device, and must find its memory where it was.
    recorder
        CUDA graphs, or None to run every step as it is.
    obstacles
        Why the step cannot be recorded; if there are any, they are logged once and every step runs as it is.
    warmup
        Steps of a variant before it is recorded.

    Examples
    --------
    >>> done = []
    >>> step = CapturedStep(done.append, None)
    >>> step("plain")
    >>> done, step.recorded
    (['plain'], False)
    """

    def __init__(
        self,
        step: Callable[[Variant], None],
        recorder: Recorder | None,
        obstacles: Sequence[str] = (),
        warmup: int = 3,
    ) -> None:
        self._step, self._recorder, self.warmup = step, recorder, warmup
        self._seen: Counter[Variant] = Counter()
        self._graphs: dict[Variant, Callable[[], None]] = {}
        if recorder is not None and obstacles:
            self._give_up("; ".join(obstacles))

    def _give_up(self, reason: str) -> None:
        logger.warning("steps are not recorded as a CUDA graph, so each starts its kernels one by one: %s", reason)
        self._recorder = None
        self._graphs.clear()

    @property
    def recorded(self) -> bool:
        """Whether a graph is in use."""
        return bool(self._graphs)

    def forget(self) -> None:
        """Drop all graphs: their variants will not come again, or their memory has moved."""
        if self._graphs and self._recorder is not None:
            self._graphs.clear()
            self._recorder.forget()
        self._seen.clear()

    def __call__(self, variant: Variant) -> None:
        """Do a step."""
        if self._recorder is None:
            self._step(variant)
            return
        if variant not in self._graphs:
            if self._seen[variant] < self.warmup:
                self._seen[variant] += 1
                self._recorder.warm(lambda: self._step(variant))
                return
            try:
                self._graphs[variant] = self._recorder.record(lambda: self._step(variant))
            except RuntimeError as error:
                self._give_up(str(error).strip().split("\n")[0])
                self._step(variant)
                return
        self._graphs[variant]()
