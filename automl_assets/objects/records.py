"""What flows between steps of objects in images alone."""

from dataclasses import dataclass, replace

import numpy as np


@dataclass(frozen=True)
class ImageCells:
    """Every row as it is stored; pixels are read when they are needed, since they would fill the memory."""

    images: np.ndarray  # object [n_rows] of str: where each image lies, or the image itself as a data URI

    def __len__(self) -> int:
        return len(self.images)

    def take(self, rows: np.ndarray) -> "ImageCells":
        """Some of the rows, by number or mask."""
        return replace(self, images=self.images[rows])

    @property
    def sizes(self) -> dict[str, int]:
        """Figures that the UI shows."""
        return {"n_images": len(self.images)}
