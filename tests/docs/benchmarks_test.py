"""The results' page, and that README.md shows what stands there."""
# bazel: data = ["//:README.md", "//docs:pages"]

import json
from pathlib import Path

import pytest

from benchmarks.environments import Environments
from benchmarks.page import BEGIN, END, extract, headlines, replaced, section, table

ROOT = Path(__file__).resolve().parents[2]
RATIOS = {
    "epoch": [
        {"what": "shuffled epoch, one process", "beside": "os.pread", "ratio": 1.02},
        {"what": "shuffled epoch, two workers", "beside": "os.pread", "ratio": 0.9876},
        {"what": "shuffled epoch, two workers", "beside": "wids", "ratio": 1.1},
    ],
    "select": [{"what": "filters over 10 keys", "beside": "dandi-cli", "ratio": 43.21}],
}


def between_marks(text):
    assert text.count(BEGIN) == text.count(END) == 1
    return text[text.index(BEGIN) : text.index(END)]


def test_the_readme_shows_the_newest_results():
    readme = (ROOT / "README.md").read_text()
    page = (ROOT / "docs" / "benchmarks.md").read_text()
    assert between_marks(readme) == between_marks(page)
    assert "times as fast" in between_marks(page)
    assert "(docs/images/benchmark_epoch.png)" in readme
    for kind in ("png", "svg"):
        assert (ROOT / "docs" / "images" / f"benchmark_epoch.{kind}").stat().st_size > 10_000


def test_the_readme_gets_a_few_ratios():
    found = [entry["ratio"] for entry in headlines(RATIOS)]
    assert found == [1.02, 0.9876, 1.1, 43.21]


def test_a_run_replaces_what_stands_between_the_marks():
    part = extract(RATIOS, "2 x a processor")
    page = replaced(f"before\n{BEGIN}\nold\n{END}\nafter\n", part)
    assert page.startswith("before\n")
    assert page.endswith("after\n")
    assert "old" not in page
    assert "2 x a processor" in page
    assert "| filters over 10 keys | dandi-cli | 43.2 |" in page
    assert replaced(page, part) == page
    with pytest.raises(ValueError, match="there is no"):
        replaced("no marks", part)


def test_what_is_no_markdown_is_shown_as_it_stands():
    assert section("T", "a 1\nb 2\n") == "## T\n\n```text\na 1\nb 2\n```"
    text = section("T", "# Title\n\n## Part\n\n| a |\n|---|\n")
    assert text == "## T\n\n### Part\n\n| a |\n|---|"


@pytest.mark.parametrize(
    ("ratio", "shown"), [(1234.5, "1,234"), (12.345, "12.3"), (0.9876, "0.99"), (2, "2.00")]
)
def test_ratios_are_rounded(ratio, shown):
    assert table([{"what": "w", "beside": "b", "ratio": ratio}]).endswith(f"| w | b | {shown} |")


def test_what_an_environment_lacks_is_told_in_the_next_run_too(tmp_path):
    made = Environments(tmp_path)
    place = tmp_path / "dandi"
    (place / "bin").mkdir(parents=True)
    wanted = json.dumps([(3, 11), [["dandi==0"]]])
    told = {"wanted": wanted, "missing": ["dandi==0: no wheel could be installed"]}
    (place / "installed.json").write_text(json.dumps(told))
    assert made._environment("dandi", (3, 11), ["dandi==0"]) == place / "bin" / "python"
    assert made.missing == told["missing"]


def test_a_python_that_is_not_there_is_told(tmp_path):
    made = Environments(tmp_path)
    assert made._environment("newest", (9, 99), ["x"]) is None
    assert made.missing == ["newest: no Python 9.99 that can make an environment was found"]
