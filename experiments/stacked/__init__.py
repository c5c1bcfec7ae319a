"""Training many models at once: their weights, losses and optimizers, each with a leading axis S.

No model here knows of its neighbors: what it computes and how it is updated is what it would be
alone. Which models are trained together, and for how long, is decided elsewhere.
"""
