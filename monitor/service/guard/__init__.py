"""What every request passes before it is routed: nothing is let through that is not allowed.

Rules are pure decisions, one to a file; `gate` asks them in order, `layers` puts all together.
"""
