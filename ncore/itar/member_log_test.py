import itertools

import numpy as np
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from ncore.itar.member_log import MemberLog
from ncore.itar.tar_header import encode_header, padded


class MemoryFile:
    """A file that is a bytearray."""

    def __init__(self) -> None:
        self.data = bytearray()

    def pwrite(self, buffers, offset: int) -> None:
        for buffer in buffers:
            if len(self.data) < offset:
                self.data += bytes(offset - len(self.data))
            self.data[offset : offset + len(buffer)] = buffer
            offset += len(buffer)

    def pread(self, size: int, offset: int) -> bytes:
        return bytes(self.data[offset : offset + size])

    def truncate(self, size: int) -> None:
        del self.data[size:]

    def size(self) -> int:
        return len(self.data)

    def fsync(self) -> None:
        pass

    def close(self) -> None:
        pass


class LogMachine(RuleBasedStateMachine):
    """Members come and go; what is there reads back, and compacting leaves no gap."""

    def __init__(self) -> None:
        super().__init__()
        self.file = MemoryFile()
        self.log = MemberLog(self.file, 0)
        self.members: dict[int, tuple[int, bytes]] = {}
        self.count = 0

    @rule(size=st.one_of(st.integers(0, 3000), st.just(70_000)))
    def append(self, size: int) -> None:
        self.count += 1
        payload = (b"%d," % self.count * size)[:size]
        header = encode_header(f"k{self.count}", size)
        self.members[self.count] = self.log.append(header, payload), payload

    @rule(size=st.integers(0, 3000), pieces=st.integers(1, 4))
    def append_stream(self, size: int, pieces: int) -> None:
        self.count += 1
        payload = (b"%d;" % self.count * size)[:size]
        step = max(1, -(-size // pieces))
        chunks = [payload[at : at + step] for at in range(0, size, step)]
        header = encode_header(f"k{self.count}", size)
        self.members[self.count] = self.log.append_stream(header, size, iter(chunks)), payload

    @precondition(lambda self: self.members)
    @rule(data=st.data())
    def free(self, data: st.DataObject) -> None:
        which = data.draw(st.sampled_from(sorted(self.members)))
        offset, payload = self.members.pop(which)
        self.log.free(offset - 512, offset + padded(len(payload)))

    @rule()
    def flush(self) -> None:
        self.log.flush()

    @rule()
    def compact(self) -> None:
        which = list(self.members)
        starts = np.array([self.members[i][0] - 512 for i in which], np.int64)
        spans = [512 + padded(len(self.members[i][1])) for i in which]
        self.log.compact(starts, starts + np.array(spans, np.int64))
        for i, start in zip(which, starts.tolist(), strict=True):
            self.members[i] = start + 512, self.members[i][1]
        assert not self.log.has_holes
        assert self.log.end == sum(512 + padded(len(p)) for _, p in self.members.values())

    @invariant()
    def members_read_back(self) -> None:
        spans = []
        for offset, payload in self.members.values():
            assert self.log.read(offset, len(payload)) == payload
            spans.append((offset - 512, offset + padded(len(payload))))
        spans.sort()
        assert all(a[1] <= b[0] for a, b in itertools.pairwise(spans))
        assert not spans or spans[-1][1] <= self.log.end
        if not spans:
            assert self.log.end == 0


TestLog = LogMachine.TestCase
TestLog.settings = settings(max_examples=40, stateful_step_count=30)
