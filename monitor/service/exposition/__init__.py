"""`/metrics`: the service itself and its most active runs, in Prometheus's text format 0.0.4.

Written by hand, because a scrape of 10,000 series must take milliseconds: names and labels of a run
are escaped once, when it is first shown.
"""
