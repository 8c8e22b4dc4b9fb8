"""Answers the same for every image: class shares. What any model must beat."""

from automl_assets.learning.class_shares import add_shares, class_shares, shares_of_rows
from automl_assets.parts import Algorithm

PART = Algorithm(
    name="baseline",
    title="Baseline",
    tasks=frozenset({"image_classification", "image_classification_multilabel"}),
    view="descriptors",
    portfolio=lambda problem: [{}],
    fit=class_shares,
    predict=shares_of_rows,
    to_onnx=add_shares,
    link="probability",
    reference="Class shares.",
    kinds=frozenset({"python"}),
    is_fallback=True,
    time_share=0.01,
    requires="numpy",
)
