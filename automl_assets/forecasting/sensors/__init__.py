"""Sensors of forecasts."""
