"""Policy: from the environment to a trained float network."""

from toolchain.policy.choice import choose
from toolchain.policy.dense import DensePolicy

__all__ = ["DensePolicy", "choose"]
