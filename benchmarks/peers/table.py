"""The peers by name. Their modules are imported in the workers only."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import Final

from benchmarks.peers.peer import Peer


@dataclass(frozen=True)
class Entry:
    """How a peer is called in tables, and where its class is."""

    title: str
    module: str
    cls: str

    def load(self) -> type[Peer]:
        """Import the peer.

        Raises:
            ImportError, MissingError: it is not installed.
        """
        found: type[Peer] = getattr(import_module(f"benchmarks.peers.{self.module}"), self.cls)
        return found


OURS: Final = "chainrule"
PEERS: Final = {
    "numpy": Entry("NumPy by hand", "numpy_by_hand", "NumpyByHand"),
    "sklearn": Entry("scikit-learn", "scikit_learn", "ScikitLearn"),
    "torch": Entry("PyTorch eager", "pytorch", "PyTorch"),
    "jax-step": Entry("JAX jit per step", "jax_step", "JaxStep"),
    "jax-scan": Entry("JAX scan over the epoch", "jax_scan", "JaxScan"),
    OURS: Entry("Chainrule", "chainrule_train", "Chainrule"),
}
