"""In place of the standard library's module that the program imports."""

SAYS = "colours of our own"
