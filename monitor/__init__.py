"""The library and the service: measuring, judging, telling. Knows nothing of Lightning."""
