"""What an operator can watch this installation by: logs, metrics, errors and traces."""
