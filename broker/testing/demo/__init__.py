"""The parts of `broker demo`: its setup, the broker's process, its calls and what was counted."""
