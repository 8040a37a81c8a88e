"""Marching and compositing in plain PyTorch: what the kernels are compared with, and what runs without a compiler."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from .cascades import morton_index
from .samples import offsets_of

__all__ = ["composite", "composite_adjoint", "march", "uniform", "visible"]

CHUNK = 2**21  # intervals at a time


def uniform(seed: int, ids: torch.Tensor) -> torch.Tensor:
    """Numbers in [0, 1), float64, that depend on seed and id alone: 24 bits of two rounds of splitmix64.

    Examples
    --------
    >>> a = uniform(1, torch.arange(1000))
    >>> bool(abs(a.mean() - 0.5) < 0.03), torch.equal(a[7:8], uniform(1, torch.tensor([7])))
    (True, True)
    """
    a = np.full(ids.shape, seed & (2**64 - 1), dtype=np.uint64)
    for number in (ids.cpu().numpy().astype(np.uint64), np.uint64(0)):
        a = a + np.uint64(0x9E3779B97F4A7C15)
        a = (a ^ a >> np.uint64(30)) * np.uint64(0xBF58476D1CE4E5B9)
        a = (a ^ a >> np.uint64(27)) * np.uint64(0x94D049BB133111EB)
        a = a ^ a >> np.uint64(31) ^ number
    return torch.as_tensor((a >> np.uint64(40)).astype(np.float64) / 2**24).to(ids.device)


@dataclass(frozen=True)
class Stepping:
    """The stepping space of ``march.cuh``."""

    step: float
    longest: float
    cone: float

    def _bends(self) -> tuple[float, float, float, float]:
        growth, bend, s_bend = np.log1p(self.cone), self.step / self.cone, 1.0 / self.cone
        return growth, bend, s_bend, s_bend + np.log(self.longest / self.step) / growth

    def space(self, t: torch.Tensor) -> torch.Tensor:
        """Steps from the origin to a distance."""
        if self.cone == 0:
            return t / self.step
        growth, bend, s_bend, s_end = self._bends()
        end = self.longest / self.cone
        grown = s_bend + torch.log(t.clamp_min(bend) / bend) / growth
        grown = torch.where(t <= end, grown, s_end + (t - end) / self.longest)
        return torch.where(t <= bend, t / self.step, grown)

    def distance(self, s: torch.Tensor) -> torch.Tensor:
        """The inverse of :meth:`space`."""
        if self.cone == 0:
            return s * self.step
        growth, bend, s_bend, s_end = self._bends()
        grown = bend * torch.exp((s - s_bend) * growth)
        if np.isfinite(s_end):
            grown = torch.where(s <= s_end, grown, self.longest / self.cone + (s - s_end) * self.longest)
        return torch.where(s <= s_bend, s * self.step, grown)


def _cut(o: torch.Tensor, d: torch.Tensor, frame: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Where rays enter and leave the box, (n,) each; equal where they miss it."""
    lower, upper = frame[:3, None].to(o), frame[3:6, None].to(o)
    near, far = frame[13].to(o), frame[14].to(o)
    still = d == 0
    a, b = (lower - o) / d, (upper - o) / d
    inside = (o >= lower) & (o <= upper)
    first = torch.where(still, torch.where(inside, -torch.inf, torch.inf), torch.minimum(a, b)).amax(0)
    last = torch.where(still, torch.where(inside, torch.inf, -torch.inf), torch.maximum(a, b)).amin(0)
    first, last = first.clamp_min(near), last.clamp_max(far)
    hit = (first < last) & ~still.all(0)
    return torch.where(hit, first, 0.0), torch.where(hit, last, 0.0)


def _occupied(p: torch.Tensor, step: torch.Tensor, bits: torch.Tensor, frame: torch.Tensor, cells: int) -> torch.Tensor:
    """Whether points (3, ...) are in occupied cells of their cascade."""
    centre, half = frame[6:9].to(p).reshape(3, *(1,) * (p.ndim - 1)), float(frame[9])
    away = (p - centre).abs().amax(0)
    m = torch.zeros_like(away, dtype=torch.int64)
    for k in range(len(bits) - 1):
        m += (away > half * 2.0**k) | (step > half * 2.0 ** (k + 1) / cells)
    width = half * 2.0 / cells * torch.exp2(m.to(p))
    cell = ((p - centre) / width).floor() + cells // 2
    at = m * cells**3 + morton_index(cell.clamp(0, cells - 1).to(torch.int64))
    return (bits.flatten()[at >> 3] >> (at & 7).to(torch.uint8) & 1).bool()


def march(
    origins: torch.Tensor,
    directions: torch.Tensor,
    ids: torch.Tensor | None,
    bits: torch.Tensor,
    frame: torch.Tensor,
    cells: int,
    most: int,
    seed: int,
    jittered: int,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    """Offsets, rays, t, dt and positions of :func:`.marching.march`, by looking at every interval of every ray."""
    o, d, n = origins.detach(), directions.detach(), origins.shape[1]
    steps = Stepping(float(frame[10]), float(frame[11]), float(frame[12]))
    first, last = _cut(o, d, frame)
    ids = torch.arange(n, device=o.device) if ids is None else ids
    share = uniform(seed, ids).to(o) if jittered else torch.full_like(first, 0.5)
    s0 = steps.space(first)
    walk = (steps.space(last) - s0).nan_to_num(0.0).ceil().to(torch.int64) + 1
    size = max(1, CHUNK // max(1, int(walk.max()) if n else 1))
    pieces = []
    for part in torch.arange(n, device=o.device).split(size) if n else ():
        k = torch.arange(int(walk[part].max()), device=o.device)
        begin = steps.distance(s0[part, None] + k)
        begin[:, 0] = first[part]
        stop = last[part, None]
        length = torch.minimum(steps.distance(s0[part, None] + (k + 1)), stop) - begin
        t = begin + share[part, None] * length
        p = o[:, part, None] + t * d[:, part, None]
        on = (begin < stop) & _occupied(
            p.nan_to_num(0.0), (begin * steps.cone).clamp(steps.step, steps.longest), bits, frame, cells
        )
        on &= on.cumsum(1) <= most
        pieces.append((on.sum(1), t[on], length[on], p[:, on]))
    empty = (torch.zeros(0, dtype=torch.int64, device=o.device), o.new_zeros(0), o.new_zeros(0), o.new_zeros(3, 0))
    counts, t, length, p = (torch.cat(a, -1) for a in zip(empty, *pieces, strict=True))
    rays = torch.arange(n, device=o.device).repeat_interleave(counts)
    return offsets_of(counts), rays, t, length, p


def _table(offsets: torch.Tensor, total: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Numbers of samples (n, longest), 0 behind the last of a ray, and whether there is one."""
    counts = offsets.diff()
    k = torch.arange(int(counts.max()) if len(counts) else 0, device=offsets.device)
    there = k < counts[:, None]
    return torch.where(there, offsets[:-1, None] + k, 0), there


def _weights(
    offsets: torch.Tensor, sigma: torch.Tensor, dt: torch.Tensor, least: float
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    """Of :func:`_table` and with its shape: samples, what is seen, weights; and what comes through, (n,)."""
    at, there = _table(offsets, len(sigma))
    tau = torch.where(there, (sigma * dt)[at], 0.0)
    before = torch.exp(-(torch.nn.functional.pad(tau.cumsum(1), (1, -1)) if tau.shape[1] else tau))
    seen = there & (torch.cumsum(before.detach() < least, 1) == 0)
    weights = torch.where(seen, before * -torch.expm1(-tau), 0.0)
    return at, seen, weights, torch.exp(-torch.where(seen, tau, 0.0).sum(1))


def visible(
    offsets: torch.Tensor, sigma: torch.Tensor, dt: torch.Tensor, least: float
) -> tuple[torch.Tensor, torch.Tensor]:
    """Numbers of the samples that are seen, and their offsets."""
    at, seen, _, _ = _weights(offsets, sigma, dt, least)
    return at[seen], offsets_of(seen.sum(1))


def composite(
    offsets: torch.Tensor,
    sigma: torch.Tensor,
    t: torch.Tensor,
    dt: torch.Tensor,
    colours: torch.Tensor,
    background: torch.Tensor,
    least: float,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    """Colour, opacity, depth and weights of :func:`.compositing.composite`; differentiable by PyTorch."""
    at, seen, weights, through = _weights(offsets, sigma, dt, least)
    colour = (weights * colours[:, at]).sum(2) + through * background
    flat = torch.zeros_like(sigma).index_put((at[seen],), weights[seen])
    return colour, weights.sum(1), (weights * t[at]).sum(1), flat


def composite_adjoint(
    offsets: torch.Tensor,
    sigma: torch.Tensor,
    t: torch.Tensor,
    dt: torch.Tensor,
    colours: torch.Tensor,
    background: torch.Tensor,
    least: float,
    losses: tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor],
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    """Gradients by sigma, t, dt, colours and background, given those by the four results."""
    with torch.enable_grad():
        leaves = [a.detach().requires_grad_() for a in (sigma, t, dt, colours, background)]
        found = composite(offsets, leaves[0], leaves[1], leaves[2], leaves[3], leaves[4], least)
        by = torch.autograd.grad(found, leaves, losses, materialize_grads=True)
    return by[0], by[1], by[2], by[3], by[4]
