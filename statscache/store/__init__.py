"""The tables that statscache keeps for itself."""
