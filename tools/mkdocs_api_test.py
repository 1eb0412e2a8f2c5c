# bazel: deps = ["ncore.convert", "ncore.data", "ncore.data.errors", "ncore.data.v4"]
# bazel: deps = ["ncore.data.v4.errors", "ncore.errors", "ncore.itar", "ncore.loaders"]
# bazel: deps = ["ncore.select", "ncore.stores", "ncore.transfer"]
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


def test_a_package_begins_with_what_it_is_for():
    assert on_page_markdown("[api ncore.select]").startswith("Which entries of a zarr")


def test_a_module_of_errors_has_no_table_of_exports():
    text = on_page_markdown("[api ncore.errors]")
    assert "::: ncore.errors.NcoreError" in text


def test_members_of_enumerations_are_shown():
    text = on_page_markdown("[api ncore.data]")
    shown = "::: ncore.data.enums.FrameTimepoint\n    options: { show_if_no_docstring: true }"
    assert shown in text


def test_exported_names_become_links_outside_of_links_headings_and_listings():
    name = "<code>ItarReader</code>"
    link = f'<autoref identifier="ncore.itar.reader.ItarReader" optional>{name}</autoref>'
    assert on_page_content(f"<p>{name}</p>") == f"<p>{link}</p>"
    call = link.replace("ItarReader<", "ItarReader(path)<")
    assert on_page_content("<p><code>ItarReader(path)</code></p>") == f"<p>{call}</p>"
    for html in (f"<h2>{name}</h2>", f'<a href="x">{name}</a>', f"<pre>{name}</pre>"):
        assert on_page_content(html) == html


def test_only_the_package_that_a_name_says_is_linked():
    right = on_page_content("<p><code>ncore.itar.ItarReader</code></p>")
    assert 'identifier="ncore.itar.reader.ItarReader"' in right
    wrong = "<p><code>elsewhere.ItarReader</code></p>"
    assert on_page_content(wrong) == wrong


def test_names_that_two_packages_export_are_not_linked():
    assert on_page_content("<p><code>Entry</code></p>") == "<p><code>Entry</code></p>"


def test_options_are_marked_and_long_names_in_tables_have_seams():
    html = on_page_content("<p><code>--in-place</code></p><td><code>a_long_name_of/a_test</code>")
    assert '<code class="option">--in-place</code>' in html
    cell = on_page_content("<td><code>test_that_is_long/x.py</code></td>")
    assert cell == "<td><code>test<wbr>_that<wbr>_is<wbr>_long<wbr>/x.py</code></td>"


def test_fields_without_a_default_are_required():
    assert on_page_content("<td>\n<code>...</code>\n</td>") == "<td>\n<em>required</em>\n</td>"


def test_what_an_unexported_base_gives_a_class_is_shown_with_it():
    stores = on_page_markdown("[api ncore.stores]")
    _, _, options = stores.partition("::: ncore.stores.indexed_tar.IndexedTarStore\n")
    shown = options.splitlines()[0]
    assert "inherited_members: [" in shown
    assert " view," in shown
    assert "inherited_members" not in on_page_markdown("[api ncore.select]")
    assert "to_json" not in on_page_markdown("[api ncore.data]")
