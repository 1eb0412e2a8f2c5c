# bazel: deps = ["ncore.select"]
from tools.mkdocs_api import on_page_markdown


def test_a_package_becomes_its_exported_names():
    text = on_page_markdown("# x\n\n[api ncore.select]\n\nend\n")
    assert "::: ncore.select.filters.ZarrFilter" in text
    assert text.startswith("# x\n")
    assert text.endswith("end\n")


def test_other_lines_stay():
    assert on_page_markdown("see [api ncore.select] here") == "see [api ncore.select] here"
