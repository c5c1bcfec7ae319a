"""All reproductions, in the order of the article."""

from collections.abc import Mapping

from grokwatch.experiments.reproduce import (
    architecture,
    circular,
    decay_phases,
    double_descent,
    fourier,
    modular_addition,
    omnigrok,
    operations,
    other_ways_out,
    parity,
    parity_penalties,
    parity_phase_diagram,
    relapse,
    subnetworks,
)
from grokwatch.experiments.reproduce.reproduction import Reproduction

REPRODUCTIONS: Mapping[str, Reproduction] = {
    "modular-addition": Reproduction(
        question="Does the article's network first memorise modular addition and then solve it?",
        published="Train accuracy reaches .99 at step 300, test accuracy .95 only at step 40,100, "
        "while the norm of the weights falls from 53.7 to 28.9.",
        source="Pearce et al. 2023, the main run of their notebook",
        run=modular_addition.run,
    ),
    "fourier": Reproduction(
        question="Does a network that generalised add with waves, and which do the work?",
        published="Neurons fall into groups of one frequency, and the phase of a neuron's output "
        "weights turns twice as far as that of its input weights; excluded loss rises and "
        "restricted loss falls before test loss does.",
        source="Pearce et al. 2023, Nanda et al. 2023 for the losses",
        run=fourier.run,
    ),
    "circular": Reproduction(
        question="Do tokens on a circle and five neurons add without error?",
        published="Five ReLUs solve it; with squares instead of ReLUs it is exact for odd moduli "
        "and all numbers of neurons but 1, 2 and 4.",
        source="Pearce et al. 2023, the constructed solution and its appendix",
        run=circular.run,
    ),
    "architecture": Reproduction(
        question="Which ways to write the same network down generalise?",
        published="With two direct matrices in place of products it never does; with a hidden "
        "layer for each token the weights are less circular.",
        source="Pearce et al. 2023, the sweep over architectures",
        run=architecture.run,
    ),
    "relapse": Reproduction(
        question="Can a network generalise before it memorises, and come back?",
        published="A tiny network without decay does the first, and one with decay .05 does both.",
        source="Pearce et al. 2023, the further settings of their notebook",
        run=relapse.run,
    ),
    "parity": Reproduction(
        question="Does a network on sparse parity first learn bits that do not matter?",
        published="It memorises by step 1,200 and generalises by step 3,750; in between train loss "
        "gets a bit worse while the weights of distracting bits go to zero.",
        source="Pearce et al. 2023, the displayed parity run",
        run=parity.run,
    ),
    "parity-phase-diagram": Reproduction(
        question="Where is a sparse parity memorised, and where is it solved?",
        published="Of 1,125 runs, little decay with few examples memorises, decay 1 learns nothing "
        "in narrow networks, and in between most generalise.",
        source="Pearce et al. 2023, the sweep over parity, with its table",
        run=parity_phase_diagram.run,
    ),
    "parity-penalties": Reproduction(
        question="Which penalty forgets distracting bits sooner, L1 or L2?",
        published="L1 drives weights that are not needed to nothing; L2 keeps many small ones.",
        source="Pearce et al. 2023, on sparse parity and on constraining the network",
        run=parity_penalties.run,
    ),
    "decay-phases": Reproduction(
        question="What does weight decay alone make of one task?",
        published="Runs memorise, grok, generalise with the train set, or learn nothing, depending "
        "on the weight decay.",
        source="Pearce et al. 2023, the sweep over parity; Liu et al. 2022 for the phases",
        run=decay_phases.run,
    ),
    "omnigrok": Reproduction(
        question="Does a network grok handwritten digits when its initial weights are too large?",
        published="On 1,000 images of MNIST with weights 8 times as large as usual, test accuracy "
        "rises long after train accuracy, within 100,000 steps; with usual weights both rise "
        "together.",
        source="Liu et al. 2023, Omnigrok, figure 3",
        run=omnigrok.run,
    ),
    "other-ways-out": Reproduction(
        question="Can a network leave memorization without weight decay?",
        published="Dropout, and the unstable steps of slingshots, let runs without decay "
        "generalise late.",
        source="Power et al. 2022 for dropout, Thilak et al. 2022 for slingshots",
        run=other_ways_out.run,
    ),
    "subnetworks": Reproduction(
        question="Does a part of a few neurons take over when a parity network generalises?",
        published="A sparse part takes over from a dense one, which does no better than guessing.",
        source="Merrill et al. 2023 (A tale of two circuits)",
        run=subnetworks.run,
    ),
    "double-descent": Reproduction(
        question="Where is there double descent beside grokking, and does the second one last?",
        published="Test error peaks where parameters are as many as answers to fit, over width, "
        "over samples and over epochs; against effective parameters the second descent folds back "
        "onto the first curve.",
        source="Belkin et al. 2019; Nakkiran et al. 2020; Curth, Jeffares & van der Schaar 2023",
        run=double_descent.run,
    ),
    "operations": Reproduction(
        question="Which operations does a network find, and which does it only learn by heart?",
        published="On half of the pairs modulo 97 a transformer finds addition, subtraction, "
        "multiplication and x^2+y^2 at about step 3,000, and x^2+xy+y^2 never.",
        source="Xu 2026, arXiv:2602.16746; the operations are those of Power et al. 2022",
        run=operations.run,
    ),
}
"""Name of the command -> what it does."""
