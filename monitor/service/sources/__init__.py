"""Runs of people who never heard of us: an MLflow server, polled, and files of the past.

What their metrics mean is `names`' to say. What comes out are records like those of our own runs,
numbered here. Modules with a leading underscore are shared parts.
"""
