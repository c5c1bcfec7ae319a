"""Thin adapters between training frameworks and `grokwatch.monitor`."""
