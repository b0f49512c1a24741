"""Numerics of the landscape. The names here are all that other rooms may use."""
