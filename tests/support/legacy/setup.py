"""A distribution of plugins as they were written for statscache 0.0.4, made valid Python 3."""

from setuptools import setup

setup(
    name="statscache-legacy-example",
    version="0.0.4",
    packages=["legacy_example", "legacy_example.parts"],
    entry_points={
        "statscache.plugin": [
            "legacy_volume = legacy_example.volume:plugins",
            "legacy_latest = legacy_example.latest:Plugin",
            "legacy_front = legacy_example.front:Plugin",
            "legacy_picky = legacy_example.troubled:Picky",
            "legacy_stubborn = legacy_example.troubled:Stubborn",
            "legacy_swallower = legacy_example.troubled:Swallower",
            "legacy_nameless = legacy_example.troubled:Nameless",
            "legacy_not_a_plugin = legacy_example.troubled:NotAPlugin",
            "legacy_async = legacy_example.asynchronous:Plugin",
            "legacy_threads = legacy_example.threaded:Plugin",
        ]
    },
)
