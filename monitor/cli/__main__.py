"""`python -m grokwatch.monitor.cli`."""

from grokwatch.monitor.cli import main

main()
