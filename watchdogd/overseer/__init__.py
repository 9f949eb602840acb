"""The overseer: watches, inspects, decides, asks people."""
