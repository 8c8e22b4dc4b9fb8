"""Rows before anybody learns from them: where they come from, how they are typed, told apart and kept."""
