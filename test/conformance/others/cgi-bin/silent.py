#!/usr/bin/python3
"""A program that fails before it has written anything."""

import sys

sys.exit("nothing to say")
