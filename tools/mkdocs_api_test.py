# bazel: deps = ["ncore.select"]
from tools.mkdocs_api import on_page_content, on_page_markdown


def test_a_package_becomes_its_exported_names():
    text = on_page_markdown("# x\n\n[api ncore.select]\n\nend\n")
    assert "::: ncore.select.filters.ZarrFilter" in text
    assert text.startswith("# x\n")
    assert text.endswith("end\n")


def test_other_lines_stay():
    assert on_page_markdown("see [api ncore.select] here") == "see [api ncore.select] here"


def test_roles_become_links_and_code():
    html = on_page_content(
        "<p>see :class:<code>~ncore.itar.reader.ItarReader</code>, :meth:<code>close</code> and "
        ":func:<code>open_source &lt;ncore.itar.location.open_source&gt;</code></p>"
    )
    reader = '<autoref identifier="ncore.itar.reader.ItarReader" optional>'
    source = '<autoref identifier="ncore.itar.location.open_source" optional>'
    assert html == (
        f"<p>see {reader}<code>ItarReader</code></autoref>, <code>close</code> and "
        f"{source}<code>open_source</code></autoref></p>"
    )
