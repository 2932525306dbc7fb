"""What a reader from outside may see of an image: the policy, and the image after it."""

from nbannot.deid.policy import AreaRule, Policy
from nbannot.deid.seen import original_of, seen_by_reader

__all__ = ["AreaRule", "Policy", "original_of", "seen_by_reader"]
