"""What flows between steps of images alone."""

from dataclasses import dataclass, replace

import numpy as np


@dataclass(frozen=True)
class ImageInputs:
    """Every row as the algorithms of images take it. A view of the same name is one of these alone."""

    images: np.ndarray  # object [n_rows] of str: where each image lies, or the image itself as a data URI
    descriptors: np.ndarray  # float32 [n_rows, n_descriptors]: colours and textures

    def __len__(self) -> int:
        return len(self.images)

    def take(self, rows: np.ndarray) -> "ImageInputs":
        """Some of the rows, by number or mask."""
        return replace(self, images=self.images[rows], descriptors=self.descriptors[rows])

    def view(self, name: str) -> np.ndarray:
        """What an algorithm asks for, [n_rows, …]."""
        found: np.ndarray = getattr(self, name)
        return found

    @property
    def sizes(self) -> dict[str, int]:
        """Figures that the UI shows."""
        return {"n_descriptors": self.descriptors.shape[1]}
