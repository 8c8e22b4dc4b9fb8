"""How registered forecasts are packed for MLflow, and how they answer there."""
