"""What later stages need, looked for before anything is decoded."""
