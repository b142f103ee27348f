"""The texts of a wheel's folder *.dist-info (PEP 427, core metadata 2.4)."""

from __future__ import annotations

from dataclasses import dataclass, field

from archive import Entry


@dataclass(frozen=True, slots=True)
class Metadata:
    """What a Python package says of itself."""

    name: str
    version: str
    summary: str
    license_expression: str
    requires_python: str = ">=3.10"
    requires: tuple[str, ...] = ()
    classifiers: tuple[str, ...] = ()
    keywords: tuple[str, ...] = ()
    # In Markdown.
    description: str = ""
    # Texts of licences by the names of their files.
    licenses: dict[str, bytes] = field(default_factory=dict)

    @property
    def file_name(self) -> str:
        """The name as names of files have it."""
        return self.name.replace("-", "_")

    def render(self) -> bytes:
        """Return the text of METADATA, or of an sdist's PKG-INFO."""
        lines = [
            "Metadata-Version: 2.4",
            f"Name: {self.name}",
            f"Version: {self.version}",
            f"Summary: {self.summary}",
            f"Keywords: {','.join(self.keywords)}" if self.keywords else "",
            f"License-Expression: {self.license_expression}",
            *(f"License-File: {name}" for name in sorted(self.licenses)),
            *(f"Classifier: {one}" for one in self.classifiers),
            f"Requires-Python: {self.requires_python}",
            *(f"Requires-Dist: {one}" for one in self.requires),
            "Description-Content-Type: text/markdown",
        ]
        return "\n".join([*filter(None, lines), "", self.description]).encode()

    def dist_info(self, tag: str, entry_points: str = "") -> dict[str, Entry]:
        """Return the files of *.dist-info but RECORD. `tag`: such as "py3-none-any"."""
        is_pure = str(tag.endswith("-any")).lower()
        tags = [f"Tag: {one}" for one in expand(tag)]
        wheel = ["Wheel-Version: 1.0", "Generator: typhon", f"Root-Is-Purelib: {is_pure}", *tags]
        texts = {
            "METADATA": self.render(),
            "WHEEL": "".join(f"{line}\n" for line in wheel).encode(),
            **{f"licenses/{name}": text for name, text in self.licenses.items()},
        }
        if entry_points:
            texts["entry_points.txt"] = entry_points.encode()
        folder = f"{self.file_name}-{self.version}.dist-info"
        return {f"{folder}/{name}": Entry(text) for name, text in texts.items()}


def expand(tag: str) -> list[str]:
    """Return the single tags of one that has several platforms, "py3-none-a.b"."""
    python, abi, platforms = tag.split("-")
    return [f"{python}-{abi}-{platform}" for platform in platforms.split(".")]
