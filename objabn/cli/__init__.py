"""Commands of `python -m objabn`, one thin file a command."""
