"""Writing something else instead of somebody's name, wherever statscache has kept it."""
