"""The noise of one-pass SGD at a place, and what it does to a minimum at a finite learning rate."""
