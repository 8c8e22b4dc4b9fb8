"""Squares as they might have been: mirrored, nearer or farther, moved, in other light; objects move along."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from automl_assets.boxes import BOX, FIELDS, areas, objects_of, packed

NEARER = 1.5  # times as large at most, or as small
FARTHEST = 0.25  # of the side, that the middle moves
LIGHT = 0.25  # share by which brightness, contrast and colourfulness vary
LEAST_SEEN = 0.3  # of an object's area, that is left to be found
GROUND = 0.45  # brightness around the square


@dataclass(frozen=True)
class View:
    """How images are looked at: places in the new one, from -1 to 1, are `(place - shift) * scale`, of the old one."""

    scale: np.ndarray  # float32 [n_images, 2], negative where it is mirrored
    shift: np.ndarray  # float32 [n_images, 2]
    light: np.ndarray  # float32 [n_images, 3]: brightness, contrast, colourfulness

    @classmethod
    def drawn(cls, n_images: int, is_mirrored_down: bool, random: np.random.Generator) -> "View":
        """By chance. Images are mirrored left to right, and top to bottom where that shows the same things."""
        scale = NEARER ** random.uniform(-1, 1, (n_images, 1)) * random.choice([-1.0, 1.0], (n_images, 2))
        if not is_mirrored_down:
            scale[:, 1] = np.abs(scale[:, 1])
        shift = random.uniform(-2 * FARTHEST, 2 * FARTHEST, (n_images, 2))
        light = 1 + random.uniform(-LIGHT, LIGHT, (n_images, 3))
        return cls(*(part.astype(np.float32) for part in (scale, shift, light)))

    def pixels(self, squares: np.ndarray) -> Any:
        """Squares uint8 [n_images, side, side, 3] as shares of full brightness, a tensor [n_images, 3, side, side]."""
        import torch
        from torch.nn import functional

        x = torch.from_numpy(np.ascontiguousarray(squares)).permute(0, 3, 1, 2).float() / 255 - GROUND
        turn = np.zeros((len(squares), 2, 3), np.float32)
        turn[:, [0, 1], [0, 1]] = 1 / self.scale
        turn[:, :, 2] = self.shift
        places = functional.affine_grid(torch.from_numpy(turn), list(x.shape), align_corners=False)
        x = functional.grid_sample(x, places, align_corners=False) + GROUND
        brightness, contrast, colour = (torch.from_numpy(one)[:, None, None, None] for one in self.light.T)
        grey, mean = x.mean(1, keepdim=True), x.mean((1, 2, 3), keepdim=True)
        x = grey + (x - grey) * colour
        return ((mean + (x - mean) * contrast) * brightness).contiguous(memory_format=torch.channels_last)

    def objects(self, y: np.ndarray) -> np.ndarray:
        """Packed objects, where they are now; without those that are hardly to be seen."""
        return packed([self._moved(number, objects_of(row)) for number, row in enumerate(y)], y.shape[1] // FIELDS)

    def _moved(self, number: int, objects: np.ndarray) -> np.ndarray:
        scale, shift = self.scale[number].astype(float), self.shift[number].astype(float)
        corners = objects[:, BOX].reshape(-1, 2, 2) * 2 - 1
        moved = ((corners - shift) * scale + 1) / 2
        whole = np.hstack([moved.min(axis=1), moved.max(axis=1)])
        seen = np.clip(whole, 0, 1)
        kept = areas(seen) >= np.maximum(LEAST_SEEN * areas(whole), 1e-9)
        found = objects[kept].copy()
        found[:, BOX] = seen[kept]
        return found
