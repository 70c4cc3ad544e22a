"""What a release engineering dashboard shows, and how."""

from __future__ import annotations

from typing import Any


def _component(ident: str, name: str, **options: Any) -> dict[str, Any]:
    return {"id": ident, "name": name, "show_status": True, "show_time_at": True} | options


def _group(ident: str, name: str, *components: dict[str, Any]) -> dict[str, Any]:
    return {"id": ident, "name": name, "components": list(components)}


ARCHITECTURES = ("primary", "arm", "ppc", "s390")

LAYOUT: dict[str, Any] = {
    "groups": [
        _group(
            "compose",
            "Composes",
            *(_component(f"compose-rawhide_{arch}", f"Rawhide ({arch})") for arch in ARCHITECTURES),
            *(_component(f"compose-branched_{arch}", f"Branched ({arch})") for arch in ARCHITECTURES),
        ),
        _group(
            "updates",
            "Updates repositories",
            _component("updates-fedora", "Fedora"),
            _component("updates-epel", "EPEL"),
        ),
        _group(
            "amis",
            "Amazon machine images",
            _component("ami-branched", "Branched", link_for="name", show_time_at=False),
            _component("ami-rawhide", "Rawhide", link_for="message", show_time_at=False),
        ),
        _group(
            "appliance",
            "Appliances",
            _component("artifact-appliance_armhfp", "armhfp", show_status=False, show_time_at=False),
        ),
        _group(
            "livecd",
            "Live images",
            _component("artifact-livecd_x86_64", "x86_64", show_time_at=False),
            _component("artifact-livecd_i686", "i686", show_time_at=False),
        ),
    ],
    "default_options": {
        "show_status": True,
        "show_time_at": True,
        "status_verb_map": {"start": "started", "complete": "completed", "open": "opened", "close": "closed"},
        "status_class_map": {
            "start": "text-warning",
            "open": "text-warning",
            "opened": "text-warning",
            "complete": "text-primary",
            "completed": "text-primary",
            "closed": "text-primary",
            "failed": "text-danger",
            "canceled": "text-danger",
        },
        "old_log_threshold": {"key": "hours", "value": 24},
    },
}
