"""In place of a module that the standard library's statistics imports."""

from _bisect import bisect_left, bisect_right, insort_right

__all__ = ["bisect", "bisect_left", "bisect_right", "insort_right"]
bisect = bisect_right
