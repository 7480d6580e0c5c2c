"""BibTeX and the methods paragraph of a run: what it used, and nothing else."""

import pytest

from gliofield.errors import ParameterError
from gliofield.pipeline.read_provenance import read_provenance
from gliofield.report.citations import Reference, bibtex_of, methods_paragraph, references_of

LIPKOVA = "Lipková et al. (2019), Personalized Radiotherapy, doi:10.1109/TMI.2019.2902044"
RECORD = {
    "settings": {
        "atlas": "sri24", "method": "assimilate", "space": "patient", "registration": "fast", "seed": 3,
        "t1gd_threshold": 0.6, "flair_threshold": 0.2,
    },
    "registration": {"versions": {"antspyx": "0.6.3"}},
    "inputs": {"label_scheme": "brats2021"},
    "versions": {"gliofield": "0.1.0"},
    "references": [LIPKOVA, "Doe and Roe (2020), Cost & benefit of 5 % more", "A talk without a year", LIPKOVA],
}  # fmt: skip


def test_a_reference_is_taken_apart():
    """Authors, year, title and DOI; the key is the first author's."""
    reference = Reference.parse(LIPKOVA)

    assert (reference.authors, reference.year, reference.title) == (
        "Lipková et al.",
        "2019",
        "Personalized Radiotherapy",
    )
    assert (reference.doi, reference.key) == ("10.1109/TMI.2019.2902044", "lipkova2019")


def test_bibtex_has_an_entry_for_the_software_the_atlas_and_each_paper_once():
    """Others than these are not cited; what TeX would read as its own is escaped."""
    text = bibtex_of(RECORD)

    assert text.count("@") == 5
    assert text.count("lipkova2019") == 1
    assert "author = {Lipková and others}" in text
    assert "@misc{doe2020," in text
    assert r"Cost \& benefit of 5 \% more" in text
    assert "note = {A talk without a year}" in text
    assert "@article{rohlfing2010," in text
    assert text.count("{") == text.count("}")


def test_two_papers_of_an_author_and_year_have_two_keys():
    """As BibTeX wants it."""
    texts = ["Doe et al. (2020), One", "Doe et al. (2020), Two"]
    text = bibtex_of({**RECORD, "references": texts})

    assert "@misc{doe2020," in text
    assert "@misc{doe2020b," in text


def test_the_paragraph_cites_by_the_numbers_of_the_list():
    """What was done with what, in whole sentences."""
    paragraph = methods_paragraph(RECORD, ["t1c", "flair"])

    assert [each.key for each in references_of(RECORD)][:2] == ["rohlfing2010", "lipkova2019"]
    assert "by the method assimilate [2, 3, 4] from pre-operative T1Gd and FLAIR and a segmentation" in paragraph
    assert "registered to the atlas sri24 [1] (preset fast, antspyx 0.6.3)" in paragraph
    assert "seed 3" in paragraph


def test_a_run_without_registration_says_so():
    """The patient was in the atlas already."""
    record = {**RECORD, "settings": {**RECORD["settings"], "registration": "none", "atlas": "own", "space": "atlas"}}

    assert "was not registered to the atlas own (preset none" in methods_paragraph(record)
    assert methods_paragraph(record).count("[") == 1


def test_a_folder_that_is_no_result_cannot_be_cited(tmp_path):
    """It has no provenance."""
    with pytest.raises(ParameterError, match="is no result"):
        read_provenance(tmp_path)
