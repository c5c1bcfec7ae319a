"""What signals cost and how right they are: the parts of `grokwatch bench`."""
