"""Drawings of series and forecasts."""

from automl_assets.forecasting.pictures.components import components_picture
from automl_assets.forecasting.pictures.forecasts import (
    Fan,
    forecasts_picture,
    horizon_picture,
    skill_picture,
    steps_picture,
)

__all__ = ["Fan", "components_picture", "forecasts_picture", "horizon_picture", "skill_picture", "steps_picture"]
