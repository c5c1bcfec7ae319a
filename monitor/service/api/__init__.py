"""The HTTP API, `/v1`: programs push records and ask; answers are JSON, errors say why."""
