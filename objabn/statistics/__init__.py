"""What of a difference between rows would be there again with other trainings and other videos."""
