"""The report: intervals, tables, answers in words, and pictures."""
