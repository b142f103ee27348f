"""What every application of this folder does at /boom."""


def fail(name):
    password = "hunter2" + name
    amount = 4711
    raise ValueError(f"<{name}> has {amount} {len(password)}")
