"""Sensors: what makes a run start by itself."""
