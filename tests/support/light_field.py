"""A radiance model without samples, whose pictures are told in closed form."""

import torch

from hermite_pinn.workloads.radiance import InstantNGP, Rays, Scene, Views
from hermite_pinn.workloads.radiance.model import ParameterGroup, RadianceModel, Sight
from hermite_pinn.workloads.radiance.setting import Setting

SCENE = Scene.render_synthetic(12, train=8, test=3, supersampling=1)
SMALL = InstantNGP(levels=3, finest=32, table_size=2**9, samples=512, cells=8, march_steps=32)


class LightField(RadianceModel):
    """Colours that are waves of where a ray passes: what is seen from everywhere, and told without samples."""

    def __init__(self):
        super().__init__(SMALL, Setting.of(SCENE), torch.float32, torch.device("cpu"))
        self.waves = torch.nn.Parameter(torch.randn(3, 6, generator=torch.Generator().manual_seed(0)))
        self.register_buffer("calls", torch.zeros(()))

    rays = 64

    def colors(self, rays: Rays):
        moment = torch.linalg.cross(rays.origin, rays.direction)
        return 0.5 + 0.5 * torch.sin(self.waves @ torch.cat([rays.direction, moment], 1).T)

    def terms(self, rays, target, progress, generator):
        self.calls += 1
        return {"colour": (self.colors(rays) - target).square().mean()}

    def look(self, rays, background=None, normals=False):
        with torch.no_grad():
            seen = self.colors(rays)
        return Sight(seen, torch.ones(len(rays)), torch.ones(len(rays)))

    def advance(self, step, progress, generator):
        return

    def density(self, points):
        return points[0]

    def groups(self):
        return [ParameterGroup("waves", (self.waves,))]


def views_of(model, cameras):
    return Views(cameras, [model.look(c.rays()).colour.T.reshape(c.height, c.width, 3) for c in cameras])
