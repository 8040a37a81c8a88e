"""Any workload is trained by giving a loss: an image, without equations, with every method."""

import ast
import importlib.util
from pathlib import Path

import pytest
import torch

import hermite_pinn as hp
from hermite_pinn.cuda.encoder import ops
from hermite_pinn.cuda.encoder.channels import Channels
from hermite_pinn.cuda.encoder.layout import GridLayout
from hermite_pinn.errors import DivergedError, InvalidArgumentError, OutOfMemoryError
from hermite_pinn.methods.training import full_batch
from hermite_pinn.methods.training.bounded_parameters import BoundedMap
from hermite_pinn.methods.training.loss import Loss
from hermite_pinn.methods.training.session import Session
from hermite_pinn.run.callbacks import Callback
from hermite_pinn.run.checkpoint import Checkpoint, read_checkpoint
from hermite_pinn.run.monitor import Monitor
from hermite_pinn.run.status import Status

pytestmark = pytest.mark.usefixtures("one_thread")

VALUES = Channels(2, (((1.0, (0, 0)),),))


class Image(Loss):
    """Grey values at random pixels by a grid and a layer of a network, with a brightness in bounds."""

    names, weighted = ("pixels", "frame"), ("frame",)

    def __init__(self, size=16):
        self.layout = GridLayout((0.0, 0.0), (1.0, 1.0), ((2, 2), (4, 4), (8, 8)), "cubic", 2, None, (False, False))
        place = (torch.arange(size, dtype=torch.float64) + 0.5) / size
        self.pixels = torch.cartesian_prod(place, place).T.contiguous()
        self.grey = 0.5 + (4 * self.pixels[0]).sin() * self.pixels[1]
        self.tables = {"grid": self.layout.level_slices}
        self.networks = ["layer", "offset"]
        self.bounds = {"brightness": BoundedMap(0.0, 0.2)}

    def tensors(self):
        random = torch.Generator().manual_seed(0)
        return {
            "grid": 0.1 * torch.randn(self.layout.size, generator=random, dtype=torch.float64),
            "layer": torch.randn(6, 1, generator=random, dtype=torch.float64),
            "offset": torch.zeros(1, dtype=torch.float64),
            "brightness": torch.tensor([0.1], dtype=torch.float64),
        }

    def draw(self, generator):
        return torch.randint(self.pixels.shape[1], (64,), generator=generator)

    def parts(self, number, tensors, generator):
        return torch.randperm(self.pixels.shape[1], generator=generator)[:200].split(90)

    def error(self, tensors, chosen):
        features = ops.jets(self.pixels[:, chosen], tensors["grid"], self.layout, VALUES).reshape(6, -1)
        seen = (tensors["layer"].T @ features)[0].sin() + tensors["offset"] + tensors["brightness"]
        return (seen - self.grey[chosen]) / len(chosen) ** 0.5

    def losses(self, tensors, batch):
        error = self.error(tensors, batch)
        outside = ((self.pixels[:, batch] - 0.5).abs() > 0.4).any(0)
        return {"pixels": error.square().sum(), "frame": (error * outside).square().sum()}

    def rows(self, tensors, part, weights):
        outside = ((self.pixels[:, part] - 0.5).abs() > 0.4).any(0)
        return self.error(tensors, part) * (1.0 + weights["frame"] * outside).sqrt()


#: What a checkpoint compares.
IDENTITY = {"parts": {}, "options": {}} | dict.fromkeys(("problem", "method", "field", "levels", "seed", "dtype"))

METHODS = {
    "adam": hp.Adam(steps=60, lr=2e-2, check_every=10, ema=0.5, curriculum=((20, 1), (30, 2)), balance_every=9),
    "soap": hp.SOAP(steps=60, lr=2e-2, network_lr=1e-2, check_every=10, ema=0.5, precondition_every=4),
    "lbfgs": hp.LBFGS(steps=60, check_every=10, rounds=2, weight=2.0),
    "lbfgs in plain units": hp.LBFGS(steps=60, check_every=10, probes=0),
}


class Stop(Callback):
    def on_step(self, state):
        return state.step == 20


@pytest.fixture(params=METHODS)
def method(request):
    if request.param == "soap" and importlib.util.find_spec("pytorch_optimizer") is None:
        pytest.skip("pytorch_optimizer is not installed")
    return METHODS[request.param]


def same(a, b):
    return all(torch.equal(v, b.tensors[k]) for k, v in a.tensors.items())


def test_every_method_lowers_any_loss(method):
    monitor = Monitor()
    result = method.train(Image(), Session(monitor))
    assert result.status in (Status.COMPLETED, Status.CONVERGED)
    whole, start = torch.arange(256), Image().tensors()
    before, after = (float(Image().losses(t, whole)["pixels"]) for t in (start, result.tensors))
    assert after < 0.02 * before
    assert 0 <= float(result.tensors["brightness"]) <= 0.2
    assert not any(torch.equal(v, start[k]) for k, v in result.tensors.items())  # all of them are trained
    assert monitor.history["rms pixels"][-1] < 0.3 * monitor.history["rms pixels"][0]
    assert result.stats["seconds_per_step"] > 0


def test_a_training_is_a_function_of_its_seed(method):
    one, again, other = (method.train(Image(), Session(seed=s)) for s in (1, 1, 2))
    assert same(one, again)
    assert not same(one, other)


def test_a_training_is_resumed_bit_for_bit(method, tmp_path):
    path = tmp_path / "state.h5"
    whole = method.train(Image(), Session(seed=4))
    stopped = Monitor([Stop()])
    half = method.train(Image(), Session(stopped, 4, save=Checkpoint(path).saver(IDENTITY, stopped)))
    assert half.status is Status.STOPPED
    assert not same(whole, half)
    resumed = Monitor()
    saved = read_checkpoint(path, IDENTITY, resumed)
    end = method.train(Image(), Session(resumed, 4, saved=saved))
    assert same(whole, end)
    assert end.message == whole.message
    steps = list(resumed.history["step"])
    assert steps == sorted(set(steps))
    assert steps[:2] == [10, 20]


def test_levels_wait_for_their_turn():
    image = Image()
    levels, start = image.layout.level_slices, image.tensors()["grid"]
    result = hp.Adam(steps=5, ema=0.0, curriculum=((9, 1),)).train(image)
    moved = [not torch.equal(result.tensors["grid"][part], start[part]) for part in levels]
    assert moved == [True, False, False]


def test_what_batches_are_drawn_from_follows_the_tensors(tmp_path):
    class Following(Image):
        """Draws from the half of the pixels where the error is largest."""

        renewal = 15

        def __init__(self):
            super().__init__()
            self.pool, self.asked = None, 0

        def draw(self, generator):
            chosen = super().draw(generator)
            return chosen if self.pool is None else self.pool[chosen % len(self.pool)]

        def renew(self, tensors, generator):
            with torch.no_grad():
                order = self.error(tensors, torch.arange(256)).abs().argsort()
            self.pool, self.asked = order[128:], self.asked + 1
            return True

        def state(self):
            return {} if self.pool is None else {"pool": self.pool}

        def restore(self, saved):
            self.pool = saved["pool"]

    method, path = METHODS["adam"], tmp_path / "state.h5"
    loss, stopped = Following(), Monitor([Stop()])
    whole = method.train(loss)
    assert loss.asked == 4
    assert not same(whole, method.train(Image()))
    method.train(Following(), Session(stopped, save=Checkpoint(path).saver(IDENTITY, stopped)))
    saved = read_checkpoint(path, IDENTITY, Monitor())
    assert same(whole, method.train(Following(), Session(saved=saved)))


def test_callbacks_see_what_the_tensors_stand_for():
    class Look(Callback):
        seen = None

        def on_step(self, state):
            self.seen = state.field

    class Named(Image):
        def model(self, tensors):
            return "image", set(tensors)

    for method in (METHODS["adam"], METHODS["lbfgs"]):
        look = Look()
        method.train(Named(), Session(Monitor([look])))
        assert look.seen == ("image", {"grid", "layer", "offset", "brightness"})


def test_a_loss_that_is_not_a_number_is_named():
    class Broken(Image):
        def losses(self, tensors, batch):
            return super().losses(tensors, batch) | {"frame": (tensors["brightness"] - 5.0).log().sum()}

    for method in (METHODS["adam"], METHODS["lbfgs in plain units"]):
        with pytest.raises(DivergedError, match="'frame'") as caught:
            method.train(Broken())
        assert all(torch.isfinite(v).all() for v in caught.value.outcome.tensors.values())
        assert caught.value.outcome.status is Status.DIVERGED


def test_quasi_newton_steps_refuse_float32_and_too_much_memory(monkeypatch):
    class Single(Image):
        def tensors(self):
            return {k: v.float() for k, v in super().tensors().items()}

    with pytest.raises(InvalidArgumentError, match=r"'grid' is torch\.float32"):
        hp.LBFGS().train(Single())
    monkeypatch.setattr(full_batch, "available_memory", lambda device: 1e3)
    with pytest.raises(OutOfMemoryError, match="smaller memory"):
        hp.LBFGS().train(Image())


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ({"names": ()}, "at least one tensor and one name"),
        ({"names": ("pixels", "frame", "frame")}, "each once"),
        ({"weighted": ("edge",)}, "weighted names 'edge'; known: pixels, frame"),
        ({"networks": ["layer", "layers"]}, "networks names 'layers'"),
        ({"bounds": {"light": BoundedMap()}}, "bounds names 'light'; known: grid"),
        ({"tables": {"grid": [slice(0, 4), slice(8, 12)]}}, "level after level"),
        ({"tables": {"offset": [slice(0, 4)]}}, "must divide the 1 numbers"),
    ],
)
def test_what_a_loss_says_of_itself_is_checked(said, message):
    image = Image()
    for name, value in said.items():
        setattr(image, name, value)
    for method in (METHODS["adam"], METHODS["lbfgs"]):
        with pytest.raises(InvalidArgumentError, match=message):
            method.train(image)


def test_the_core_imports_nothing_about_equations():
    """Signed distances, rays and images are trained by the same lines."""
    core = ("loss", "session", "step", "first_order", "full_batch", "quasi_newton", "unknowns", "updates")
    forbidden = ("problem", "residuals", "geometry", "expressions", "base", "batches", "objective", "gauss_newton")
    for name in core:
        path = Path(full_batch.__file__).parent / f"{name}.py"
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom):
                assert not any(word in forbidden for word in (node.module or "").split(".")), (name, node.module)
