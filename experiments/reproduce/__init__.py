"""The experiments that the project grew from, each one command with a picture.

A reproduction is a file with a function `run(workshop) -> Finding` and a row in `table.py`. What it
trains is a grid in `experiments/grids/reproduce/`, which `grokwatch sweep` takes as well.
"""
