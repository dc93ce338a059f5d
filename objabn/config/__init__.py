"""params.yaml: its schema, and how the file is read and checked."""
