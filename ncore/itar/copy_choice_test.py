"""Copying by the faster one of two ways."""

from ncore.itar.copy_choice import PERIOD, TRIALS, CopyChoice

FILE = bytes(range(256)) * 8


class Machine:
    """A clock that two ways to copy move on."""

    def __init__(self) -> None:
        self.now = 0.0
        self.seconds = {"mapped": 1.0, "pread": 2.0}
        self.taken: list[str] = []

    def clock(self) -> float:
        return self.now

    def way(self, name: str, offset: int, size: int) -> bytes:
        self.now += self.seconds[name] * size
        self.taken.append(name)
        return FILE[offset : offset + size]

    def choice(self) -> CopyChoice:
        return CopyChoice(
            lambda offset, size: self.way("mapped", offset, size),
            lambda offset, size: self.way("pread", offset, size),
            self.clock,
        )


def test_both_give_the_bytes() -> None:
    choice = Machine().choice()
    for number in range(3 * PERIOD):
        offset, size = number % 1000, number % 7
        assert choice(offset, size) == FILE[offset : offset + size]


def test_the_faster_way_is_taken() -> None:
    for slow, fast in (("mapped", "pread"), ("pread", "mapped")):
        machine = Machine()
        machine.seconds = {slow: 5.0, fast: 1.0}
        choice = machine.choice()
        for number in range(PERIOD):
            choice(0, 1 + number % 5)
        assert machine.taken[:TRIALS].count(slow) == TRIALS // 2
        assert choice.takes_first is (fast == "mapped")
        assert machine.taken[TRIALS:] == [fast] * (PERIOD - TRIALS)


def test_it_changes_its_mind_when_the_machine_does() -> None:
    machine = Machine()
    choice = machine.choice()
    for _ in range(PERIOD):
        choice(0, 4)
    assert machine.taken[-1] == "mapped"
    machine.seconds["mapped"] = 10.0
    for _ in range(PERIOD):
        choice(0, 4)
    assert machine.taken[-1] == "pread"
    assert machine.taken[PERIOD:].count("mapped") == TRIALS // 2


def test_empty_values_are_copied_too() -> None:
    choice = Machine().choice()
    assert [choice(5, 0) for _ in range(TRIALS + 1)] == [b""] * (TRIALS + 1)
