"""One-pass SGD at any learning rate: its noise, its fixed points, and trajectories."""
