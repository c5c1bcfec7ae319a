"""Fitting the hazard: from labelled runs to a model file.

Examples are looks at runs at risk; a small network is trained on those of the train split,
calibrated on runs that were set aside, and written as data. No run of the test split is read.
"""
