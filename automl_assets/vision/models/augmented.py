"""Images as people might have taken them as well: mirrored, nearer, moved, in another light."""

from dataclasses import dataclass
from typing import Any

import numpy as np

ZOOM = (0.75, 1.1)  # of what is seen; below one it is nearer
SHIFT = 0.15  # of half a side
LIGHT, TINT = (
    0.15,
    0.1,
)  # how much brightness is multiplied by, and what is added to it, in units of a network's deviation


@dataclass(frozen=True)
class Augmentation:
    """`is_turned`: whether up and down mean nothing, as in pictures from above or through a microscope."""

    is_turned: bool
    random: np.random.Generator

    def __call__(self, planes: Any) -> Any:
        """Other planes [n, 3, side, side] of the same images; a batch is mirrored as one, since it is one in many."""
        import torch
        from torch.nn import functional

        n_images, draw = len(planes), self.random.uniform
        if draw() < 0.5:
            planes = planes.flip(3)
        if self.is_turned:
            planes = planes.flip(2) if draw() < 0.5 else planes
            planes = planes.transpose(2, 3) if draw() < 0.5 else planes
        seen = np.zeros((n_images, 2, 3), np.float32)
        seen[:, 0, 0] = seen[:, 1, 1] = draw(*ZOOM, n_images)
        seen[:, :, 2] = draw(-SHIFT, SHIFT, (n_images, 2))
        grid = functional.affine_grid(torch.from_numpy(seen).to(planes.device), planes.shape, align_corners=False)
        moved = functional.grid_sample(planes, grid, padding_mode="reflection", align_corners=False)
        light, tint = draw(1 - LIGHT, 1 + LIGHT, (n_images, 1, 1, 1)), draw(-TINT, TINT, (n_images, 1, 1, 1))
        times, plus = (torch.from_numpy(one.astype(np.float32)).to(planes.device) for one in (light, tint))
        return moved * times + plus
