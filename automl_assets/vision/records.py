"""What flows between steps of images alone."""

from dataclasses import dataclass, replace

import numpy as np

VIEWS = ("descriptors", "vectors")  # that are computed from pixels


@dataclass(frozen=True)
class ImageInputs:
    """Every row as the algorithms of images take it. A view of the same name is one of these alone."""

    images: np.ndarray  # object [n_rows] of str: where each image lies, or the image itself as a data URI
    descriptors: np.ndarray | None = None  # float32 [n_rows, n_descriptors]: colours and textures
    vectors: np.ndarray | None = None  # float32 [n_rows, n_dims]: what pretrained networks say; None where none is here

    def __len__(self) -> int:
        return len(self.images)

    def take(self, rows: np.ndarray) -> "ImageInputs":
        """Some of the rows, by number or mask."""
        taken = {name: values[rows] for name in VIEWS if (values := self.view(name)) is not None}
        return replace(self, images=self.images[rows], **taken)

    def view(self, name: str) -> np.ndarray | None:
        """What an algorithm asks for, [n_rows, …]; None where it is not here, or was not asked for."""
        found: np.ndarray | None = getattr(self, name)
        return found

    @property
    def sizes(self) -> dict[str, int]:
        """Figures that the UI shows."""
        return {f"n_{name}": values.shape[1] for name in VIEWS if (values := self.view(name)) is not None}
