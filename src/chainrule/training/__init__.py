"""The descent: steps in native code, progress, record, checkpoints."""

from chainrule.evaluation.predict import predict
from chainrule.training.history import History
from chainrule.training.run import Progress, Run
from chainrule.training.train import train

__all__ = ["History", "Progress", "Run", "predict", "train"]
