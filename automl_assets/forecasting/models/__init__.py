"""Recursions and components that several forecasters share."""
