"""CUDA graphs of the emulated GPU: what was recorded is repeated on the same memory, and nothing else is run again."""

from contextlib import contextmanager

import torch
from torch.utils._python_dispatch import _disable_current_modes


class Graph:
    """``torch.cuda.CUDAGraph``."""

    def __init__(self, gpu):
        self.gpu, self.generators = gpu, []
        self._work, self._before, self._made = [], [], {}

    def register_generator_state(self, generator):
        """Random numbers that a start of the graph draws anew."""
        self.generators.append(generator)

    def replay(self):
        """Do what was recorded."""
        assert self.gpu.graph is None
        with _disable_current_modes():
            for work in self._work:
                work()

    # -- recording ---
    def begin(self):
        """Remember the state of the random numbers: recording draws none."""
        self._states = [g.get_state() for g in self.generators]

    def end(self):
        """Undo what recording did: on a GPU it does nothing."""
        for tensor, contents in reversed(self._before):
            tensor.copy_(contents)
        self._before.clear()
        for generator, state in zip(self.generators, self._states, strict=True):
            generator.set_state(state)

    def _keep(self, tensor):
        if tensor.untyped_storage()._cdata not in self._made:
            self._before.append((tensor, tensor.clone()))

    def add_launch(self, work, tensors):
        """Record a kernel."""
        for t in tensors:
            self._keep(t)
        work()
        self._work.append(work)

    def add(self, function, /, *args, **kwargs):
        """Record an operation of PyTorch; returns its result, whose memory every start fills again."""
        given = [t for t in flat((args, kwargs)) if isinstance(t, torch.Tensor)]
        mutable = function._schema.is_mutable
        for t in given if mutable else []:
            self._keep(t)
        result = function(*args, **kwargs)
        old = {t.untyped_storage()._cdata for t in given}
        fresh = [t for t in flat(result) if isinstance(t, torch.Tensor) and t.untyped_storage()._cdata not in old]
        for t in fresh:
            self._made[t.untyped_storage()._cdata] = t  # kept alive: graphs have their memory to themselves
        if mutable or (fresh and not function._schema.name.startswith("aten::empty")):

            def again():
                found = function(*args, **kwargs)
                if fresh:
                    for target, source in zip(flat(result), flat(found), strict=True):
                        target.copy_(source)

            self._work.append(again)
        return result


def flat(value):
    """Everything within nested lists, tuples and dictionaries."""
    if isinstance(value, dict):
        value = list(value.values())
    return [x for v in value for x in flat(v)] if isinstance(value, (list, tuple)) else [value]


@contextmanager
def capture(gpu, graph):
    """``torch.cuda.graph``."""
    gpu.wait("torch.cuda.graph")
    graph.begin()
    gpu.graph = graph
    try:
        yield
    finally:
        gpu.graph = None
        graph.end()
