"""The peers by name. Their modules are imported in the workers only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Final

from benchmarks.peers.peer import Peer


@dataclass(frozen=True)
class Entry:
    """How a peer is called in tables, and where its class for each kind of row is."""

    title: str
    classes: Mapping[str, str]  # kind of row -> module:class

    def load(self, kind: str) -> type[Peer]:
        """Import the peer.

        Raises:
            ImportError, MissingError: it is not installed.
        """
        module, _, name = self.classes[kind].partition(":")
        found: type[Peer] = getattr(import_module(f"benchmarks.peers.{module}"), name)
        return found


OURS: Final = "chainrule"
COMPILERS: Final = ("jax-step", "jax-scan", OURS)  # they can keep machine code on disk
READ: Final = "read"  # what memory allows; no peer
PEERS: Final = {
    "numpy": Entry(
        "NumPy by hand",
        {
            "network": "numpy_by_hand:NumpyByHand",
            "linear": "linear.numpy_by_hand:NumpyByHand",
            "full-batch": "full_batch.numpy_by_hand:NumpyByHand",
        },
    ),
    "sklearn": Entry(
        "scikit-learn",
        {"network": "scikit_learn:ScikitLearn", "linear": "linear.scikit_learn:ScikitLearn"},
    ),
    "torch": Entry(
        "PyTorch eager",
        {
            "network": "pytorch:PyTorch",
            "layered": "layered.pytorch:PyTorch",
            "full-batch": "full_batch.pytorch:PyTorch",
        },
    ),
    "jax-step": Entry(
        "JAX jit per step",
        {
            "network": "jax_step:JaxStep",
            "layered": "layered.jax_model:JaxStep",
            "full-batch": "full_batch.jax_step:JaxStep",
        },
    ),
    "jax-scan": Entry(
        "JAX scan over the epoch",
        {
            "network": "jax_scan:JaxScan",
            "layered": "layered.jax_model:JaxScan",
            "linear": "linear.jax_scan:JaxScan",
        },
    ),
    OURS: Entry(
        "Chainrule",
        {
            "network": "chainrule_train:Chainrule",
            "layered": "layered.chainrule_train:Chainrule",
            "linear": "linear.chainrule_train:Chainrule",
            "full-batch": "full_batch.chainrule_compiled:Chainrule",
        },
    ),
    READ: Entry("reading the data once", {"full-batch": "full_batch.read:Read"}),
}
