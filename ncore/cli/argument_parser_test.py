"""Options anywhere, and of a mistake the one line that matters."""

import pytest

from ncore.cli.argument_parser import ArgumentParser


def _parser() -> ArgumentParser:
    parser = ArgumentParser(prog="ncore demo", example="ncore demo A B")
    parser.add_argument("places", metavar="PLACE", nargs="+")
    parser.add_argument("--overwrite", action="store_true")
    parser.add_argument("--zarr", action="append", default=[])
    parser.add_argument("-o", "--output")
    parser.add_argument("-l", action="store_true")
    parser.add_argument("--verify", choices=("full", "sample"))
    return parser


def _parse(line: str, parser: ArgumentParser | None = None) -> dict[str, object]:
    parser = _parser() if parser is None else parser
    return {name: value for name, value in vars(parser.parse_args(line.split())).items() if value}


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("a --overwrite b", {"places": ["a", "b"], "overwrite": True}),
        ("a --zarr x b --zarr y c", {"places": ["a", "b", "c"], "zarr": ["x", "y"]}),
        ("a --zarr=x b", {"places": ["a", "b"], "zarr": ["x"]}),
        ("a -o x b", {"places": ["a", "b"], "output": "x"}),
        ("a -ox b", {"places": ["a", "b"], "output": "x"}),
        ("a -lo x b", {"places": ["a", "b"], "l": True, "output": "x"}),
        ("a -o - b -", {"places": ["a", "b", "-"], "output": "-"}),
        ("a -l -1 -l -.5", {"places": ["a", "-1", "-.5"], "l": True}),
        ("a -l -- --overwrite -b", {"places": ["a", "--overwrite", "-b"], "l": True}),
        ("-- -b", {"places": ["-b"]}),
    ],
)
def test_options_may_stand_anywhere(line: str, found: dict[str, object]) -> None:
    assert _parse(line) == found


def test_options_of_a_subcommand_may_stand_anywhere() -> None:
    parser = ArgumentParser(prog="ncore")
    ls = parser.add_subparsers(parser_class=ArgumentParser).add_parser("ls")
    ls.add_argument("archive")
    ls.add_argument("path", nargs="?")
    ls.add_argument("-R", action="store_true")
    assert _parse("ls a -R b", parser) == {"archive": "a", "path": "b", "R": True}


@pytest.mark.parametrize(
    ("line", "first"),
    [
        ("a --overwite", "no option --overwite; did you mean --overwrite?"),
        ("a --overwite=yes", "no option --overwite; did you mean --overwrite?"),
        ("a --qqq", "no option --qqq"),
        ("a --out b", "no option --out; did you mean --output?"),
        ("--overwrite", "the following arguments are required: PLACE"),
        ("a --zarr", "argument --zarr: expected one argument"),
        (
            "a --verify fll",
            "argument --verify: no value 'fll'; did you mean full? (known: full, sample)",
        ),
    ],
)
def test_a_mistake_is_the_first_line(
    capsys: pytest.CaptureFixture[str], line: str, first: str
) -> None:
    with pytest.raises(SystemExit) as exit_:
        _parse(line)
    assert exit_.value.code == 2
    assert capsys.readouterr().err.splitlines() == [
        f"ncore demo: error: {first}",
        "usage: ncore demo [OPTION ...] PLACE [PLACE ...]",
        "See ncore demo --help.",
    ]


def test_a_mistake_in_a_subcommand_is_told_by_it(capsys: pytest.CaptureFixture[str]) -> None:
    parser = ArgumentParser(prog="ncore")
    ls = parser.add_subparsers(metavar="COMMAND", parser_class=ArgumentParser).add_parser("list")
    ls.add_argument("archive")
    for line, told in (
        ("lst", "ncore: error: no command 'lst'; did you mean list? (known: list)"),
        ("list a b", "ncore list: error: too many arguments: b"),
        ("list a --no", "ncore list: error: no option --no"),
    ):
        with pytest.raises(SystemExit):
            parser.parse_args(line.split())
        assert capsys.readouterr().err.startswith(f"{told}\n")
