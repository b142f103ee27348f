"""The program of an interpreter's first template, which shows that the interpreter can be one."""
