"""Exports a transformers model as an archive of tokenlense-native, with the minimal contract. Not needed at run time."""
