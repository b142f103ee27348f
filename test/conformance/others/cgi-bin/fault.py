#!/usr/bin/python3
"""A program that fails behind its head, with cgitb."""

import cgitb

cgitb.enable(format="text")
print("Content-Type: text/plain\n")


def divide(by: int) -> float:
    return 1 / by


divide(0)
