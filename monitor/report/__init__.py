"""The report: one self-contained page on one run or one sweep, on which a person sees why."""
