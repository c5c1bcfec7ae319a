"""What the words of a report mean, for those who point at them; after `docs/glossary.md`."""

TERMS: dict[str, str] = {
    "grokking": "Generalisation long after the training set was fitted.",
    "memorised": "Train accuracy has reached 99 % and stays there.",
    "warning": "The first time that the run was called likely to generalise (alert GRK001). "
    "It is judged from train-side signals alone, before test accuracy moves.",
    "onset": "Where test accuracy last leaves its own plateau before it passes 95 %.",
    "generalised": "Test accuracy has reached 95 % and stays there.",
    "lead": "Steps from the warning to what it warned of.",
    "chance of a rise": "How likely test accuracy is to leave its plateau within ten times the "
    "steps since the run memorised. It does not say that accuracy will pass 95 %.",
    "chance of passing 95 %": "How likely test accuracy is to reach 95 %, within the same steps.",
    "band": "From the least to the greatest chance of passing 95 %, over horizons near to far.",
    "horizon": "Number of steps ahead that a chance speaks about.",
    "95 % expected": "If the run passes 95 %: the steps between which. Seeds differ several-fold "
    "at equal settings, so this is an interval.",
    "stage": "Period within a run, as the predictor judges it; it may go backwards.",
    "phase": "What kind of run it was, by accuracy within the steps trained.",
    "evidence": "How much a signal spoke for, or against, grokking in one judgement.",
    "cost": "What measuring took from training, of the time from the first observation to the "
    "last.",
    "censored": "Not seen by the last step trained; says nothing about later.",
    "role": "What a weight matrix is for: embedding, unembedding, input, output.",
    "excess": "Value above what random weights give, over the most it could be above it.",
    "signal": "A named reading of the run, taken on the train side only.",
}
"""Term -> meaning."""
