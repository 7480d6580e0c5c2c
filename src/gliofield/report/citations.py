"""What to cite for a result, and how to describe it: BibTeX and a paragraph for a methods section.

Both hold exactly what the run used, as `provenance.json` names it: the software, the atlas, and the papers behind the
methods. References are texts of one form, ``Authors (year), title, doi:…``; "et al." becomes "and others", which BibTeX
knows.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gliofield.report.page_layers import IMAGE_NAMES

_REFERENCE = re.compile(
    r"(?P<authors>.+?) \((?P<year>\d{4})\), (?P<title>.+?)(?:[.,;]? doi[: ]\s*(?P<doi>\S+?)[.]?)?\s*$", re.DOTALL
)
# Papers of what comes with a name alone.
_ATLAS_REFERENCES = {
    "sri24": "Rohlfing et al. (2010), The SRI24 multichannel atlas of normal adult human brain structure, "
    "doi:10.1002/hbm.20906",
    "mni152": "Fonov et al. (2011), Unbiased average age-appropriate atlases for pediatric studies, "
    "doi:10.1016/j.neuroimage.2010.07.033",
}
_SPECIAL = str.maketrans({c: "\\" + c for c in "&%$#_{}"} | {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}"})


@dataclass(frozen=True, kw_only=True)
class Reference:
    """One work to cite.

    Parameters
    ----------
    text : str
        As the method names it.
    authors, year, title, doi : str
        Its parts; empty where the text has no such part.
    """

    text: str
    authors: str = ""
    year: str = ""
    title: str = ""
    doi: str = ""

    @classmethod
    def parse(cls, text: str) -> Reference:
        """Parts of a reference; a text of another form is kept as it is.

        Examples
        --------
        >>> Reference.parse("Doe et al. (2020), On gliomas, doi:10.1000/x").title
        'On gliomas'
        """
        found = _REFERENCE.match(" ".join(text.split()))
        return cls(text=text) if found is None else cls(text=text, **{k: v or "" for k, v in found.groupdict().items()})

    @property
    def key(self) -> str:
        """Key of the entry: first author and year, such as ``lipkova2019``."""
        first = re.split(r" et al|,| and ", self.authors or self.text)[0].split()
        word = _plain_letters(first[-1] if first else "reference")
        return f"{word or 'reference'}{self.year}"

    def bibtex(self, key: str) -> str:
        """The BibTeX entry under a key."""
        if not self.title:
            return f"@misc{{{key},\n  note = {{{self.text.translate(_SPECIAL)}}}\n}}"
        people = re.sub(r",? et al\.?$", " and others", self.authors).replace(", ", " and ")
        people = people.replace(" and and ", " and ")
        fields = {
            "author": people,
            "title": f"{{{self.title.translate(_SPECIAL)}}}",
            "year": self.year,
            "doi": self.doi,
        }
        lines = ",\n".join(f"  {name} = {{{value}}}" for name, value in fields.items() if value)
        return f"@{'article' if self.doi else 'misc'}{{{key},\n{lines}\n}}"


def references_of(record: Mapping[str, Any]) -> tuple[Reference, ...]:
    """What a run used, in the order in which it came into play; each once."""
    atlas = _ATLAS_REFERENCES.get(str(record["settings"].get("atlas")))
    texts = dict.fromkeys([*([atlas] if atlas else []), *map(str, record["references"])])
    return tuple(Reference.parse(text) for text in texts)


def bibtex_of(record: Mapping[str, Any]) -> str:
    """BibTeX of a run: the software, then what it used."""
    version = str(record["versions"].get("gliofield", ""))
    software = (
        "@software{gliofield,\n  author = {{The gliofield authors}},\n"
        "  title = {{gliofield: personalized brain-tumor growth models}},\n"
        f"  year = {{2026}},\n  version = {{{version}}},\n  license = {{Apache-2.0}}\n}}"
    )
    entries, used = [software], dict[str, int]()
    for reference in references_of(record):
        used[reference.key] = used.get(reference.key, 0) + 1
        suffix = "" if used[reference.key] == 1 else chr(ord("a") + used[reference.key] - 1)
        entries.append(reference.bibtex(reference.key + suffix))
    return "\n\n".join(entries)


def methods_paragraph(record: Mapping[str, Any], images: Sequence[str] = ()) -> str:
    """A paragraph for a methods section, with the numbers of `references_of` in brackets."""
    settings, versions = record["settings"], record["versions"]
    numbers = {each.text: place for place, each in enumerate(references_of(record), start=1)}
    atlas = str(settings.get("atlas"))
    cited_atlas = f" [{numbers[_ATLAS_REFERENCES[atlas]]}]" if atlas in _ATLAS_REFERENCES else ""
    methods = [place for text, place in numbers.items() if text != _ATLAS_REFERENCES.get(atlas)]
    cited = f" [{', '.join(map(str, methods))}]" if methods else ""
    given = [IMAGE_NAMES.get(name, name) for name in images]
    scans = f"pre-operative {_listed(given)} and " if given else ""
    tool = record.get("registration", {}).get("versions", {})
    registered = "was not registered to" if settings.get("registration") == "none" else "was registered to"
    by = f" (preset {settings.get('registration')}" + "".join(f", {name} {text}" for name, text in tool.items()) + ")"
    where = "the patient's own brain" if settings.get("space") == "patient" else "the atlas"
    return (
        f"Tumor-cell density was estimated with gliofield {versions.get('gliofield')} by the method "
        f"{settings.get('method')}{cited} from {scans}a segmentation of the tumor "
        f"(labels: {record.get('inputs', {}).get('label_scheme')}). The patient {registered} the atlas "
        f"{atlas}{cited_atlas}{by}, and the method worked in {where}. Cell densities above "
        f"{settings.get('t1gd_threshold')} (T1Gd) and {settings.get('flair_threshold')} (FLAIR) of the carrying "
        f"capacity were taken as visible. Random numbers followed seed {settings.get('seed')}. "
        "gliofield is for research use only."
    )


def _listed(words: Sequence[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"


def _plain_letters(word: str) -> str:
    import unicodedata

    return re.sub(r"[^a-z]", "", unicodedata.normalize("NFKD", word).lower())
