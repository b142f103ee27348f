"""What a developer sees of exceptions (`typhon dev`). Not imported in any other mode."""
