"""For tests of whatever stands before a service: one that computes nothing."""

from relu_landscape.jobs.testing.memory import NOW, InMemoryService, Job
from relu_landscape.jobs.testing.samples import perfect_copy

__all__ = ["NOW", "InMemoryService", "Job", "perfect_copy"]
