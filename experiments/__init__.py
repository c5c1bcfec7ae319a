"""Tasks, models and runs on which the monitor is demonstrated and judged."""
